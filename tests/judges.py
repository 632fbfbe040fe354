"""What checks by other people's libraries end with: each judge is called, one whose library is missing is skipped, and all are counted."""
import sys


def call(judges, judge_by):
    """judge_by(judge) returns what to print of a judge that is content; an exception is a failure.  Ends the program."""
    passed = failed = skipped = 0
    for judge in judges:
        try:
            print(f'{judge.__name__}: {judge_by(judge)}')
            passed += 1
        except ImportError as e:
            print(f' skip  {judge.__name__}: {e}')
            skipped += 1
        except Exception as e:
            print(f'FAILED {judge.__name__}: {type(e).__name__}: {e}')
            failed += 1
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(failed > 0)

# dead.sh: forget_dead (sourced by run.sh and cli_lib.sh).
# clang's OpenMP keeps a note of every process in /dev/shm; who is killed leaves it there, who is killed at a bad moment leaves it empty, and the next
# process of that number ends with SIGBUS.  After kills that a clock times, and once before all tests: the notes of the dead go.
forget_dead() {
    for note_of in /dev/shm/__KMP_REGISTERED_LIB_*; do
        [ -e "$note_of" ] || continue
        number_of=${note_of#*_LIB_}
        [ -d "/proc/${number_of%%_*}" ] || rm -f "$note_of"
    done
}

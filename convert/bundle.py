#!/usr/bin/env python3
"""bundle.py SOURCE DEST: DEST/blood128 from SOURCE (generator/blood128.pt, annotations/).  Called by make_bundle.sh.

Everything is made in a new folder beside the target and then exchanged, so a failure leaves the old bundle.
"""
import hashlib
import json
import os
import shutil
import sys

sys.dont_write_bytecode = True

import convert
import safetensors
from errors import Refused

NAME = 'blood128'


def sha256(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def make(source, folder):
    metadata, tensors, _ = convert.convert(os.path.join(source, 'generator', 'blood128.pt'))
    identity = safetensors.identity(metadata, tensors)
    safetensors.write(os.path.join(folder, 'generator.safetensors'), metadata, tensors)

    with open(os.path.join(source, 'annotations', 'task.json'), encoding='utf-8') as f:
        task = json.load(f)
    task['generator']['file'], task['generator']['sha256'] = '../generator.safetensors', identity
    for kind in ('image', 'label'):
        os.makedirs(os.path.join(folder, 'annotations', kind + 's'))
        for item in task['items']:
            name = os.path.basename(item[kind])
            if item[kind] != '%ss/%s' % (kind, name):
                raise Refused('task.json: %s is not below %ss/' % (item[kind], kind))
            shutil.copyfile(os.path.join(source, 'annotations', item[kind]), os.path.join(folder, 'annotations', item[kind]))
    with open(os.path.join(folder, 'annotations', 'task.json'), 'w', encoding='utf-8', newline='\n') as f:
        f.write(json.dumps(task, indent=1, ensure_ascii=False) + '\n')

    here = os.path.dirname(os.path.abspath(__file__))
    for name, target in (('bundle_card.md', 'README.md'), ('bundle_licence.txt', 'LICENSE')):
        with open(os.path.join(here, name), encoding='utf-8') as f:
            text = f.read()
        for key, value in (('@identity@', identity), ('@source_sha256@', metadata['source_sha256']),
                           ('@file_sha256@', sha256(os.path.join(folder, 'generator.safetensors')))):
            text = text.replace(key, value)
        with open(os.path.join(folder, target), 'w', encoding='utf-8', newline='\n') as f:
            f.write(text)


def main(source, dest):
    target, fresh, old = (os.path.join(dest, NAME + end) for end in ('', '.new', '.old'))
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    make(source, fresh)
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(target):
        os.rename(target, old)
    os.rename(fresh, target)
    shutil.rmtree(old, ignore_errors=True)
    print('made %s' % target)


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except (Refused, OSError) as e:
        sys.exit('make_bundle: %s' % e)

"""A run's files: whole or not there, and of one configuration."""

import json
import os
import stat

import numpy as np
import pytest

from topdis_jax.data import digest
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import workfolder

CONFIG = {'seed': 0, 'model': {'latents': 10, 'hidden': [4, 4]},
          'train': {'steps': 5, 'learning_rate': 0.1}}


def test_prepare_writes_the_configuration(tmp_path):
    folder = tmp_path / 'a' / 'b'
    workfolder.prepare(folder, CONFIG)
    assert json.loads((folder / 'config.json').read_text()) == CONFIG


def test_more_steps_are_the_same_run(tmp_path):
    workfolder.prepare(tmp_path, CONFIG)
    longer = CONFIG | {'train': CONFIG['train'] | {'steps': 9}}
    workfolder.prepare(tmp_path, longer)
    assert json.loads((tmp_path / 'config.json').read_text()) == longer


def test_where_the_images_are_tells_of_some_data_sets():
    old, new = ({'data': {'name': 'own', 'root': root}} for root in 'ab')
    assert 'data.root' in workfolder.differences(old, new)[0]
    for config in old, new:
        config['data']['name'] = 'dsprites'  # may be moved
    assert workfolder.differences(old, new) == []


def test_another_configuration_is_refused_and_nothing_overwritten(tmp_path):
    workfolder.prepare(tmp_path, CONFIG)
    other = {'seed': 1, 'model': {'latents': 10, 'hidden': [4, 8]},
             'train': CONFIG['train'], 'new': {'key': 2}}
    with pytest.raises(workfolder.WorkFolderError) as error:
        workfolder.prepare(tmp_path, other)
    lines = str(error.value).splitlines()
    assert [line.strip() for line in lines[1:-1]] == [
        'model.hidden: [4, 4] there, [4, 8] now',
        "new.key: 'absent' there, 2 now", 'seed: 0 there, 1 now']
    assert json.loads((tmp_path / 'config.json').read_text()) == CONFIG


def test_a_run_without_its_configuration_is_refused(tmp_path):
    (tmp_path / 'metrics.jsonl').write_text('')
    with pytest.raises(workfolder.WorkFolderError, match='config.json'):
        workfolder.prepare(tmp_path, CONFIG)


def test_torn_configuration_is_refused(tmp_path):
    (tmp_path / 'config.json').write_text('{"seed"')
    with pytest.raises(workfolder.WorkFolderError, match='cannot be read'):
        workfolder.prepare(tmp_path, CONFIG)


def test_file_in_the_way(tmp_path):
    (tmp_path / 'taken').write_text('')
    with pytest.raises(workfolder.WorkFolderError, match='cannot write'):
        workfolder.prepare(tmp_path / 'taken', CONFIG)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_folder_without_write_permission(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(workfolder.WorkFolderError, match='cannot write'):
        workfolder.prepare(tmp_path, CONFIG)


def test_log_drops_what_comes_after_the_checkpoint(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    log = workfolder.Log(path, 0)
    for step in (1, 2, 3):
        log.write({'step': step, 'loss': step / 3})
    log.close()
    with open(path, 'a') as file:
        file.write('{"step": 4, "lo')  # killed while it was written
    log = workfolder.Log(path, 2)
    log.write({'step': 3, 'loss': 7.0})
    log.close()
    assert workfolder.read_rows(path) == [
        {'step': 1, 'loss': 1 / 3}, {'step': 2, 'loss': 2 / 3},
        {'step': 3, 'loss': 7.0}]


@pytest.mark.parametrize('line', ['{"step": 2', 'null', '3', '{"loss": 1}',
                                  '', '\x00\x00'])
def test_what_is_no_row_is_left_out(tmp_path, capsys, line):
    path = tmp_path / 'metrics.jsonl'
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    assert workfolder.read_rows(path) == [{'step': 1}, {'step': 3}]
    log = workfolder.Log(path, 3)
    log.write({'step': 4})
    log.close()
    assert workfolder.read_rows(path) == [{'step': 1}, {'step': 3},
                                          {'step': 4}]
    assert f'{path}: 1 of 3 lines' in capsys.readouterr().err


@pytest.mark.parametrize('content', [b'{"seed": ', b'\xff\xfe', b'[]',
                                     b'null', b''])
@pytest.mark.parametrize('name', ['config.json', 'data.json'])
def test_files_that_are_damaged_are_named(tmp_path, name, content):
    workfolder.prepare(tmp_path, CONFIG)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(workfolder.WorkFolderError, match=f'{name} cannot be '):
        workfolder.check(tmp_path, CONFIG)
        workfolder.check_data(tmp_path, {'images': 1})


def test_what_a_logger_raises_is_not_told_as_the_folders(tmp_path):
    def refuse(row):
        raise ConnectionRefusedError('nobody there')

    log = workfolder.Log(tmp_path / 'metrics.jsonl', 0, on_row=refuse)
    with pytest.raises(RuntimeError, match='on_row.*Refused.*nobody there'):
        with workfolder.writing(tmp_path):
            log.write({'step': 1})
    log.close()


def test_no_log_has_no_rows(tmp_path):
    assert workfolder.read_rows(tmp_path / 'metrics.jsonl') == []


def test_data_that_have_changed_are_refused(tmp_path):
    images = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4, 1)
    facts = digest.describe(FactorDataset('own', images))
    workfolder.check_data(tmp_path, facts)  # no run, or one of before
    workfolder.prepare_data(tmp_path, facts)
    workfolder.prepare_data(tmp_path, digest.describe(
        FactorDataset('moved', images.copy())))
    for other, told in ((images[:5], 'images'), (images[:, :3], 'images'),
                        (images[::-1], 'sha256'), (images ^ 1, 'sha256')):
        with pytest.raises(workfolder.WorkFolderError,
                           match=f'have changed since it began(.|\n)*{told}'):
            workfolder.check_data(tmp_path, digest.describe(
                FactorDataset('own', other)))
    (tmp_path / 'data.json').write_text('{')
    with pytest.raises(workfolder.WorkFolderError, match='cannot be read'):
        workfolder.check_data(tmp_path, facts)


def test_the_digest_of_a_large_set_reads_a_part():
    """Which has its first and last image."""
    images = np.zeros((10_000, 1, 1, 1), np.uint8)
    before = digest.describe(FactorDataset('large', images))
    for place in (0, -1):
        changed = images.copy()
        changed[place] = 1
        assert digest.describe(FactorDataset('large', changed)) != before

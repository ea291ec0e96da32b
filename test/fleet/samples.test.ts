import { expect, test } from '@jest/globals';
import { type ComparisonSample, Fleet, openRecorder, silentLogger } from '@changeover/bridge';
import { readSharedRecordings } from 'changeover';
import pg from 'pg';
import { ownDatabase } from './own-database.ts';

const url = ownDatabase('samples');

const mismatch: ComparisonSample = {
  at: 1_000,
  backend: 'notes',
  dataset: 'inbox',
  operation: 'list',
  shape: 'by text',
  stage: 'shadow',
  verdict: 'mismatch',
  class: 'value',
  summary: 'row 1, off by 1',
  call: { kind: 'read', values: 'redacted', args: ['key', 'text(3)'], trace: 'a'.repeat(32) },
};

/** A process that finds a mismatch. */
async function find(sample: ComparisonSample): Promise<void> {
  const fleet = new Fleet({ url: url(), logger: silentLogger });
  const recorder = openRecorder({ path: url(), fleet, run: 'test', logger: silentLogger });
  recorder.sample(sample);
  recorder.close();
  await fleet.close();
}

test('mismatches that are alike are one over all hosts, each with its call', async () => {
  await find(mismatch);
  await find({ ...mismatch, at: 2_000 });
  await find({ ...mismatch, dataset: 'outbox' });
  const { sampleGroups } = await readSharedRecordings(url());
  expect(sampleGroups).toMatchObject([
    { key: 'inbox', shape: 'by text', count: 2, samples: [{ call: mismatch.call }, {}] },
    { key: 'outbox', count: 1 },
  ]);
});

test('a store of the version before is brought forward, and what it has is read', async () => {
  await find(mismatch);
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  await client.query(
    `set search_path to changeover;
     alter table sample drop column call; alter table sample_group drop column dataset, drop column shape;
     update sample set fingerprint = 'notes:mismatch:list'; update sample_group set fingerprint = 'notes:mismatch:list';
     update store set version = 1`,
  );
  await client.end();
  expect((await readSharedRecordings(url())).sampleGroups).toMatchObject([{ count: 1 }]);
  await find(mismatch);
  const { sampleGroups } = await readSharedRecordings(url());
  expect(new Map(sampleGroups.map(({ key, samples }) => [key, samples[0]?.call]))).toEqual(
    new Map([
      [undefined, undefined],
      ['inbox', mismatch.call],
    ]),
  );
});

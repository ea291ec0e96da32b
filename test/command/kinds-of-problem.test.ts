import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import { openRecorder, type Recorder, silentLogger, SqliteLedgerStore } from '@changeover/bridge';
import { typeChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

/** One kind of problem, each on a key of its own. */
interface Kind {
  readonly key: string;
  readonly stage: Stage;
  readonly decision: 'HOLD' | 'ROLL BACK' | 'INCONCLUSIVE';
  /** The cause, as every command and report says it. */
  readonly says: RegExp;
  /** What a person may type that helps. Left out where only waiting does, or a change of the program. */
  readonly helps?: RegExp;
  /** What it does beside the usual calls. */
  plant(recorder: Recorder, key: string, stage: Stage): void;
}

interface Calls {
  readonly operation?: string;
  readonly shape?: string;
  readonly calls?: number;
  readonly pooledMs?: number;
  readonly failed?: number;
  readonly verdict?: 'match' | 'mismatch' | 'nondeterministic' | 'inconclusive';
  readonly sheds?: 'side-effects';
}

function count(recorder: Recorder, key: string, stage: Stage, calls: Calls): void {
  const { operation = 'list', shape = '', pooledMs = 2, verdict = 'match', failed = 0 } = calls;
  const { calls: made = 60 } = calls;
  const at = { backend: 'notes', dataset: key, operation, shape, stage };
  const [cell, counts] = [recorder.cell('notes', key, operation, stage), recorder.shape(at)];
  cell.calls += made;
  counts.calls += made;
  cell.failed += failed;
  if (calls.sheds !== undefined) {
    counts.noteShed(calls.sheds);
    return;
  }
  for (let call = 0; call < made; call += 1) {
    cell.legacyLatency.record(2);
    cell.pooledLatency.record(pooledMs);
    for (const one of [cell, counts]) {
      one.eligible += 1;
      one.countVerdict(verdict);
    }
  }
}

const kinds: readonly Kind[] = [
  {
    key: 'differs',
    stage: 'shadow',
    decision: 'HOLD',
    says: /60 comparisons of 60 are confirmed mismatches, of `find`/,
    helps: /changeover (mismatches|explain) notes differs/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', verdict: 'mismatch' });
    },
  },
  {
    key: 'differs-answered',
    stage: 'reverse',
    decision: 'ROLL BACK',
    says: /60 comparisons of 60 are confirmed mismatches, of `find`/,
    helps: /changeover rollback notes differs-answered/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', verdict: 'mismatch' });
    },
  },
  {
    key: 'acts',
    stage: 'shadow',
    decision: 'INCONCLUSIVE',
    says: /`add` is not compared \(a call that acts is not run twice\)/,
    helps: /changeover promote notes acts --accept add/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'add', sheds: 'side-effects' });
    },
  },
  {
    key: 'random',
    stage: 'shadow',
    decision: 'INCONCLUSIVE',
    says: /`find`.* came to no match and no mismatch/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', verdict: 'nondeterministic' });
    },
  },
  {
    key: 'unexplained',
    stage: 'shadow',
    decision: 'HOLD',
    says: /came to no explanation, of `find`/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', verdict: 'inconclusive' });
    },
  },
  {
    key: 'slow',
    stage: 'reverse',
    decision: 'HOLD',
    says: /the pooled median of `find` is \d+\.\d\d times the legacy one/,
    helps: /changeover (rollback|explain) notes slow/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', pooledMs: 40 });
    },
  },
  {
    key: 'fails',
    stage: 'reverse',
    decision: 'ROLL BACK',
    says: /`find` fails more often on the pooled leg than on the legacy leg: 20 of 60 calls/,
    helps: /changeover rollback notes fails/,
    plant: (recorder, key, stage) => {
      count(recorder, key, 'shadow', { operation: 'find' });
      count(recorder, key, stage, { operation: 'find', failed: 20, verdict: 'inconclusive' });
    },
  },
  {
    key: 'relies',
    stage: 'shadow',
    decision: 'HOLD',
    says: /src\/notes\.ts:41/,
    helps: /changeover promote notes relies --accept guarantee:session/,
    plant: (recorder, key) => {
      recorder.relied({
        ...{ backend: 'notes', dataset: key, guarantee: 'session', use: 'lastWrite' },
        ...{ site: 'src/notes.ts:41', what: 'list: SELECT last_insert_rowid()', kept: false },
      });
    },
  },
  {
    key: 'held',
    stage: 'shadow',
    decision: 'HOLD',
    says: /held at shadow by ada: month end/,
    helps: /changeover resume notes held/,
    plant: () => undefined,
  },
  {
    key: 'rare',
    stage: 'shadow',
    decision: 'INCONCLUSIVE',
    says: /it needs 38 more comparisons of `find`/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', calls: 2 });
    },
  },
];

let folder: string;
let env: Readonly<Record<string, string>>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-kinds-'));
  const store = join(folder, 'comparisons.sqlite');
  env = { CHANGEOVER_STORE: store, CHANGEOVER_FLAGS: join(folder, 'flags.json') };
  writeTestFlags(join(folder, 'flags.json'), { notes: 'pooled' });
  const recorder = openRecorder({ path: store, run: 'kinds', logger: silentLogger });
  for (const { key, stage, plant } of kinds) {
    count(recorder, key, stage, {});
    plant(recorder, key, stage);
  }
  for (let at = 0; at < 5; at += 1) count(recorder, `clean-${String(at)}`, 'shadow', {});
  recorder.close();
  const ledger = new SqliteLedgerStore(store);
  ledger.append(
    kinds.map(({ key, stage }) => ({
      ...{ at: Date.now() - 60_000, backend: 'notes', dataset: key, from: 'legacy', to: stage },
      ...{ held: key === 'held', who: 'ada', reason: 'month end', revision: '', previous: 0 },
    })),
  );
  ledger.close();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function type(...args: string[]): Promise<string> {
  return (await typeChangeover(args, env)).out;
}

/** What a reader sees of a page. */
function plain(html: string): string {
  return html
    .replace(/<[^>]+>/g, '')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}

describe.each(kinds)('a key that $key', ({ key, decision, says, helps }) => {
  test('is told alike by explain, status, gate and the report, with what helps', async () => {
    const asked = {
      explain: await type('explain', 'notes', key, '--format', 'json'),
      status: await type('status', 'notes', key, '--format', 'json'),
      gate: await type('gate', 'notes', key, '--format', 'json'),
    };
    for (const [name, said] of Object.entries(asked)) {
      expect([name, said]).toEqual([name, expect.stringMatching(says)]);
      expect([name, said]).toEqual([name, expect.stringContaining(`"${decision}"`)]);
    }
    expect(plain(await type('report', '--format', 'html'))).toMatch(says);
    expect(asked.explain).toMatch(helps ?? says);
    if (helps !== undefined) expect(await type('explain', 'notes', key)).toMatch(helps);
  });
});

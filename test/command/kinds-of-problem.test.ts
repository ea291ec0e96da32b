import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import {
  openRecorder,
  type Recorder,
  type ShedReason,
  silentLogger,
  SqliteLedgerStore,
} from '@changeover/bridge';
import { ManualClock } from '../kit/manual-clock.ts';
import { type Outcome, typeChangeover } from './run-changeover.ts';
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
  /** What it did long ago. */
  readonly longAgo?: Kind['plant'];
  /** Who holds it, and why. Default: nobody does. */
  readonly who?: readonly [who: string, reason: string];
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
  readonly sheds?: ShedReason;
  readonly isDue?: boolean;
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
    for (let call = 0; call < made; call += 1) cell.countShed(calls.sheds);
    // A comparison that fits no time now was due all the same.
    if (calls.isDue === true) for (const one of [cell, counts]) one.eligible += made;
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
    says: /`find` can not be compared \(in 60 comparisons the legacy leg answered otherwise/,
    helps: /changeover promote notes random --accept find/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', verdict: 'nondeterministic' });
    },
  },
  {
    key: 'unexplained',
    stage: 'shadow',
    decision: 'HOLD',
    says: /came to no explanation, of `find`/,
    helps: /changeover mismatches notes unexplained +see what could not be explained/,
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', verdict: 'inconclusive' });
      recorder.sample({
        ...{ backend: 'notes', dataset: key, operation: 'find', stage, verdict: 'inconclusive' },
        ...{ at: Date.now(), class: 'error', summary: 'pooled failed with E_GONE' },
        ...{ shape: '', reason: 'the pooled leg differed once' },
      });
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
    who: ['ada', 'month end'],
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
  ...(['missing-row', 'extra-row', 'order', 'error'] as const).map((found): Kind => ({
    key: `has-${found}`,
    stage: 'shadow',
    decision: 'HOLD',
    says: /1 comparison of 60 is a confirmed mismatch, of `find`/,
    helps: new RegExp(`changeover mismatches notes has-${found}`),
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', calls: 59 });
      count(recorder, key, stage, { operation: 'find', calls: 1, verdict: 'mismatch' });
      recorder.sample({
        ...{ backend: 'notes', dataset: key, operation: 'find', stage, verdict: 'mismatch' },
        ...{ at: Date.now(), class: found, summary: `found: ${found}` },
      });
    },
  })),
  {
    key: 'differs-in-a-rare-shape',
    stage: 'shadow',
    decision: 'HOLD',
    says: /1 comparison of 1 is a confirmed mismatch, of `find: SELECT \* FROM n ORDER BY x`/,
    helps: /changeover mismatches notes differs-in-a-rare-shape/,
    plant: (recorder, key, stage) => {
      const shape = 'SELECT * FROM n ORDER BY x';
      count(recorder, key, stage, { operation: 'find', calls: 200 });
      count(recorder, key, stage, { operation: 'find', shape, calls: 1, verdict: 'mismatch' });
    },
  },
  {
    key: 'differed-yesterday',
    stage: 'shadow',
    decision: 'HOLD',
    says: /1 comparison of 61 is a confirmed mismatch, of `list`/,
    helps: /changeover mismatches notes differed-yesterday/,
    plant: () => undefined,
    longAgo: (recorder, key, stage) => {
      count(recorder, key, stage, { calls: 1, verdict: 'mismatch' });
    },
  },
  ...(
    [
      ['busy', /the program has too much to do/],
      ['deadline', /they take longer than their deadline/],
      ['breaker-open', /the pooled leg can not be reached/],
    ] as const
  ).map(([sheds, why]): Kind => ({
    key: `is-shed-${sheds}`,
    stage: 'shadow',
    decision: 'INCONCLUSIVE',
    says: new RegExp(
      `it needs 40 more comparisons of \`find\`.*; 60 comparisons that were due were not made, since ${why.source}`,
    ),
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', sheds, isDue: true });
    },
  })),
  ...(
    [
      ['too-large', /its answers have more rows than are compared/],
      ['budget', /its rehearsal doesn't fit the caller's budget/],
      ['not-comparable', /its arguments or answers can not be compared/],
    ] as const
  ).map(([sheds, why]): Kind => ({
    key: `is-${sheds}`,
    stage: 'shadow',
    decision: 'INCONCLUSIVE',
    says: new RegExp(`\`find\` is not compared \\(${why.source}`),
    helps: new RegExp(`changeover promote notes is-${sheds} --accept find`),
    plant: (recorder, key, stage) => {
      count(recorder, key, stage, { operation: 'find', sheds });
    },
  })),
  ...(['order', 'exclusion'] as const).map((guarantee): Kind => ({
    key: `relies-on-${guarantee}`,
    stage: 'shadow',
    decision: 'HOLD',
    says: /src\/notes\.ts:42/,
    helps: new RegExp(
      `changeover promote notes relies-on-${guarantee} --accept guarantee:${guarantee}`,
    ),
    plant: (recorder, key) => {
      recorder.relied({
        ...{ backend: 'notes', dataset: key, guarantee, site: 'src/notes.ts:42' },
        ...{ what: 'list', kept: false },
      });
    },
  })),
  {
    key: 'is-called-at-legacy-alone',
    stage: 'shadow',
    decision: 'INCONCLUSIVE',
    says: /`find` was not called where both legs run: it needs a call there, or to be accepted/,
    helps: /changeover promote notes is-called-at-legacy-alone --accept find/,
    plant: (recorder, key) => {
      recorder.cell('notes', key, 'find', 'legacy').calls += 9;
      const at = {
        backend: 'notes',
        dataset: key,
        operation: 'find',
        shape: '',
        stage: 'legacy',
      } as const;
      recorder.shape(at).calls += 9;
    },
  },
  {
    key: 'fails-its-only-call',
    stage: 'reverse',
    decision: 'INCONCLUSIVE',
    says: /the only call of `find` that the pooled leg answered failed: another one tells whether it is the leg/,
    plant: (recorder, key, stage) => {
      count(recorder, key, 'shadow', { operation: 'find' });
      recorder.cell('notes', key, 'find', stage).calls += 1;
      recorder.cell('notes', key, 'find', stage).failed += 1;
    },
  },
  {
    key: 'was-put-back-by-its-guardrail',
    stage: 'legacy',
    decision: 'HOLD',
    says: /held at legacy by guardrail: 3 of 10 calls failed/,
    helps: /changeover resume notes was-put-back-by-its-guardrail/,
    who: ['guardrail', '3 of 10 calls failed'],
    plant: () => undefined,
  },
];

let folder: string;
let report: string;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-kinds-'));
  const store = join(folder, 'comparisons.sqlite');
  env = { CHANGEOVER_STORE: store, CHANGEOVER_FLAGS: join(folder, 'flags.json') };
  writeTestFlags(join(folder, 'flags.json'), { notes: 'pooled' });
  const dayBefore = new ManualClock();
  dayBefore.setWall(Date.now() - 26 * 3_600_000);
  const before = openRecorder({
    path: store,
    run: 'before',
    logger: silentLogger,
    clock: dayBefore,
  });
  for (const { key, stage, longAgo } of kinds) longAgo?.(before, key, stage);
  before.close();
  const recorder = openRecorder({ path: store, run: 'kinds', logger: silentLogger });
  for (const { key, stage, plant } of kinds) {
    count(recorder, key, stage, {});
    plant(recorder, key, stage);
  }
  for (let at = 0; at < 5; at += 1) count(recorder, `clean-${String(at)}`, 'shadow', {});
  for (let at = 5; at < 8; at += 1) count(recorder, `clean-${String(at)}`, 'reverse', {});
  recorder.close();
  const ledger = new SqliteLedgerStore(store);
  ledger.append(
    kinds.map(({ key, stage, who: by }) => {
      const [who, reason] = by ?? ['flag', 'All gates hold'];
      return {
        ...{ at: Date.now() - 60_000, backend: 'notes', dataset: key, from: 'legacy', to: stage },
        ...{ held: by !== undefined, who, reason, revision: '', previous: 0 },
      };
    }),
  );
  ledger.close();
  report = plain((await type('report', '--format', 'html')).out);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function type(...args: string[]): Promise<Outcome> {
  return await typeChangeover(args, env);
}

/** What a reader sees of a page. */
function plain(html: string): string {
  return html
    .replace(/<[^>]+>/g, '')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}

/** Of `changeover gate`. */
const codes = { HOLD: 99, 'ROLL BACK': 99, INCONCLUSIVE: 3 };

describe.each(kinds)('a key that $key', ({ key, stage, decision, says, helps }) => {
  test('is told alike by explain, status, gate and the report, with what helps', async () => {
    const asked = {
      explain: await type('explain', 'notes', key, '--format', 'json'),
      status: await type('status', 'notes', key, '--format', 'json'),
      gate: await type('gate', 'notes', key, '--format', 'json'),
    };
    for (const [name, { out }] of Object.entries(asked)) {
      expect([name, out]).toEqual([name, expect.stringMatching(says)]);
      // What is held at legacy waits for no gate.
      if (stage !== 'legacy' || name === 'gate')
        expect([name, out]).toEqual([name, expect.stringContaining(`"${decision}"`)]);
    }
    expect(asked.gate.code).toBe(codes[decision]);
    expect(report).toMatch(says);
    const { out } = await type('explain', 'notes', key);
    if (helps !== undefined) expect(out).toMatch(helps);
    // What is held back, or can't be told yet, is not offered to be moved forward: it would be refused.
    expect(out).not.toContain('one stage forward');
    const { next } = JSON.parse(asked.status.out) as { readonly next: readonly string[] };
    // Where waiting doesn't help, what does is there to be typed.
    if (decision !== 'INCONCLUSIVE') expect(next).not.toEqual([]);
  });
});

test('what could not be explained is listed by key with its call, in the report too', async () => {
  const listed =
    /error in find on notes, key unexplained: 1 comparison, .*\n.*found +pooled failed with E_GONE\n.*reason +the pooled leg differed once/;
  expect((await type('mismatches', 'notes', 'unexplained')).out).toMatch(listed);
  expect((await type('report')).out).toMatch(listed);
  expect((await type('report', '--format', 'md')).out).toMatch(
    /inconclusive.*unexplained at shadow: pooled failed with E\\_GONE/,
  );
  expect(report).toMatch(/Not explained.*pooled failed with E_GONE/s);
  const { out } = await type('mismatches', 'notes', 'differs', '--format', 'json');
  expect(JSON.parse(out)).toMatchObject({ unexplained: [] });
});

test('there are as many kinds as are asked for, and keys without one pass', async () => {
  expect(new Set(kinds.map(({ key }) => key)).size).toBeGreaterThanOrEqual(25);
  const { code, out } = await type('gate', 'notes', 'clean-0', '--format', 'json');
  expect([code, out]).toEqual([0, expect.stringContaining('"PROMOTE"')]);
});

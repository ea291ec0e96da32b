import { type Stage, stages } from '@changeover/core';
import { shareOf } from '@changeover/compare';
import { counted, durationText, typedKey, typedWord, shapeText } from '../../plain-text.ts';
import { type FigureName, type GateDefinition, gateLimits } from './default-gates.ts';
import type { Figure } from './figures.ts';
import type { TotalsBy } from '../../recorder/report-data.ts';
import type { ShedReason } from '../../recorder/shed-reason.ts';
import type { Steps } from '../../steps.ts';
import { askGate, type GateOutcome } from './gate-outcome.ts';
import {
  comparingStages,
  evidenceOf,
  type KeyRecord,
  type ShapeRecord,
  sumOf,
} from './key-record.ts';

/** A key whose shapes are judged. */
export interface JudgedKey {
  readonly record: KeyRecord;
  /** The stage that it would leave. */
  readonly from: Stage;
  readonly accepted: readonly string[];
  /** Whether keys that have gone further proved a shape. */
  readonly isProved: (shape: ShapeRecord) => boolean;
}

/** Without a gate that asks for comparisons a key could pass without one. */
const atLeastOne: GateDefinition = {
  expression: 'comparisons >= 1',
  scope: 'shape',
  ifMissed: 'inconclusive',
  title: 'Each shape of call was compared',
};
const asksForComparisons = /^\s*comparisons\b/;
/** Asks the gates of each operation and shape that a key used. What isn't compared at all passes only where it is accepted. */
export function judgeShapes(
  definitions: readonly GateDefinition[],
  judged: JudgedKey,
): GateOutcome[] {
  const asked = definitions.some(({ expression }) => asksForComparisons.test(expression))
    ? definitions
    : [...definitions, atLeastOne];
  const { record, from } = judged;
  if (record.shapes.length === 0) {
    const place = { backend: record.backend, key: record.key, stage: from };
    return [askGate(atLeastOne, place, () => ({ count: 0, n: 0 })) ?? []].flat();
  }
  return record.shapes.flatMap((shape) =>
    asked.flatMap((definition) => {
      const outcome = askShape(definition, judged, shape);
      return outcome === undefined ? [] : [explained(outcome, judged, shape)];
    }),
  );
}

function askShape(
  definition: GateDefinition,
  { record: { backend, key }, from }: JudgedKey,
  shape: ShapeRecord,
): GateOutcome | undefined {
  // A mismatch at any stage is one of the key's own; where the pooled leg answered, callers got it.
  const wrongAt = shape.stages.findLast(({ mismatch }) => mismatch > 0)?.stage;
  const place = { backend, key, operation: shape.operation, shape: shape.shape, stage: from };
  return askGate(definition, place, (name) => shapeFigure(name, shape, from), wrongAt ?? from);
}

function shapeFigure(name: FigureName, shape: ShapeRecord, from: Stage): Figure {
  const at = countedAt(shape, from);
  switch (name) {
    case 'calls':
      return { count: sumOf(shape, 'calls', from), n: sumOf(shape, 'calls', from) };
    case 'comparisons':
      return { count: evidenceOf(shape, at), n: sumOf(shape, 'eligible', at) };
    case 'mismatch': {
      const evidence = evidenceOf(shape);
      return evidence === 0 ? undefined : shareOf(sumOf(shape, 'mismatch'), evidence);
    }
    case 'unexplained': {
      const compared = sumOf(shape, 'compared', at);
      return compared === 0 ? undefined : shareOf(sumOf(shape, 'inconclusive', at), compared);
    }
    default:
      return undefined;
  }
}

/** Where a shape's comparisons are counted: at the key's stage where it was called and could be compared there, else at all
 * stages. Writes are compared at `shadow` alone. */
function countedAt(shape: ShapeRecord, from: Stage): Stage | undefined {
  return sumOf(shape, 'eligible', from) > 0 ? from : undefined;
}

/** What a gate that asks for comparisons says where they are fewer; what others say, with the shape of which it is said. */
function explained(outcome: GateOutcome, judged: JudgedKey, shape: ShapeRecord): GateOutcome {
  if (outcome.figure !== 'comparisons' && outcome.outcome === 'fail')
    return { ...outcome, reason: `${outcome.reason ?? outcome.title}, of \`${shapeText(shape)}\`` };
  if (outcome.figure !== 'comparisons' || outcome.outcome === 'pass') return outcome;
  const reason = uncomparedText(shape) ?? undeterminedText(shape, outcome.threshold);
  if (reason !== undefined) {
    const { backend, key } = judged.record;
    if (judged.accepted.includes(shape.operation)) return passed(outcome);
    const next = `changeover promote ${typedKey({ backend, key })} --accept ${typedWord(shape.operation)} --reason "..."`;
    return { ...outcome, reason, next };
  }
  const own = outcome.value ?? 0;
  const enough = Math.min(gateLimits.ownWhereCohortProved, outcome.threshold);
  if (own >= enough && judged.isProved(shape)) return passed(outcome);
  if (outcome.operator !== '>=' || outcome.outcome !== 'inconclusive') return outcome;
  const missing = Math.ceil(outcome.threshold) - own;
  const text = missingText(shape, missing, countedAt(shape, judged.from));
  return { ...outcome, reason: `${text}${shedText(shape, judged.record.cells)}` };
}

function passed(outcome: GateOutcome): GateOutcome {
  return { ...outcome, outcome: 'pass', decision: 'PROMOTE', reason: undefined };
}

/** Why no call of a shape could be compared, and what to do; undefined where one could. */
function uncomparedText(shape: ShapeRecord): string | undefined {
  if (sumOf(shape, 'eligible') > 0) return undefined;
  const name = `\`${shapeText(shape)}\``;
  const said = shape.stages.find(({ notComparable }) => notComparable !== undefined)?.notComparable;
  if (said !== undefined) return `${name} is not compared (${said}): it needs to be accepted`;
  const called = comparingStages.some((stage) => sumOf(shape, 'calls', stage) > 0);
  return called
    ? `${name} is not compared: it needs to be accepted`
    : `${name} was not called where both legs run: it needs a call there, or to be accepted`;
}

/** Why so many comparisons of a shape say nothing and more of them won't either, and what to do; undefined where some do. */
function undeterminedText(shape: ShapeRecord, asked: number): string | undefined {
  const count = sumOf(shape, 'nondeterministic');
  // A busy machine leaves some without an explanation, of which another gate asks.
  const isClear = sumOf(shape, 'inconclusive') * 10 <= count;
  if (evidenceOf(shape) > 0 || count < asked || !isClear) return undefined;
  return (
    `\`${shapeText(shape)}\` can not be compared (in ${counted(count, 'comparison', 'comparisons')} the legacy leg answered otherwise ` +
    `when it was asked again): it needs a rule that says what may differ, or to be accepted`
  );
}

function missingText(shape: ShapeRecord, missing: number, at: Stage | undefined): string {
  const more = counted(missing, 'more comparison', 'more comparisons');
  const seen = at === undefined ? shape.stages : shape.stages.filter(({ stage }) => stage === at);
  const [compared, evidence] = [sumOf(shape, 'compared', at), evidenceOf(shape, at)];
  const nothing =
    compared > 0 && evidence === 0
      ? ` (the ${counted(compared, 'comparison', 'comparisons')} so far came to no match and no mismatch)`
      : '';
  const span =
    Math.max(...seen.map(({ lastSeen }) => lastSeen)) -
    Math.min(...seen.map(({ firstSeen }) => firstSeen));
  const about =
    evidence > 1 && span > 0
      ? `, about ${durationText(roundUp((missing * span) / evidence))}`
      : ', and how long that takes can not be told yet';
  return `it needs ${more} of \`${shapeText(shape)}\`${nothing}${about}`;
}

/** Why comparisons that were due were not made, for reasons that pass by themselves or that a person can do something about. */
const shedTexts: Readonly<Partial<Record<ShedReason, string>>> = {
  'queue-full': 'too many wait for theirs',
  busy: 'the program has too much to do',
  'event-loop-late': 'the program has too much to do',
  'legacy-busy': 'the legacy leg has too much to do',
  'loop-budget': 'they would take too much of the program',
  deadline: 'they take longer than their deadline',
  'breaker-open': 'the pooled leg can not be reached',
};

/** Where none of a shape's comparisons was made, what most of its operation's were shed for. */
function shedText(shape: ShapeRecord, cells: readonly TotalsBy[]): string {
  if (sumOf(shape, 'compared') > 0) return '';
  const sums = new Map<string, number>();
  for (const { operation, shedByReason } of cells)
    if (operation === shape.operation)
      for (const [reason, count] of Object.entries(shedByReason)) {
        const text = shedTexts[reason as ShedReason];
        if (text !== undefined) sums.set(text, (sums.get(text) ?? 0) + count);
      }
  const [most] = [...sums].sort(([, a], [, b]) => b - a);
  return most === undefined
    ? ''
    : `; ${counted(most[1], 'comparison', 'comparisons')} that ${most[1] === 1 ? 'was' : 'were'} due ${most[1] === 1 ? 'was' : 'were'} not made, since ${most[0]}`;
}

/** To seconds below a minute, to minutes above. */
function roundUp(ms: number): number {
  const unit = ms < 60_000 ? 1_000 : 60_000;
  return Math.max(1, Math.ceil(ms / unit)) * unit;
}

/** Shapes that are added up in the time of one part of a step. */
const shapesAPart = 20;

/** Whether keys that stand further than `from` proved a shape: many comparisons of it, and no mismatch. */
export function* cohortProof(
  records: readonly KeyRecord[],
  from: Stage,
): Steps<ReadonlySet<string>> {
  const further = stages.slice(stages.indexOf(from) + 1);
  const proved = new Map<string, { evidence: number; mismatches: number }>();
  for (const record of records) {
    yield record.shapes.length / shapesAPart;
    const ahead = record.shapes.some((shape) =>
      further.some((stage) => sumOf(shape, 'calls', stage) > 0),
    );
    if (!ahead) continue;
    for (const shape of record.shapes) {
      const name = shapeName(shape);
      const sum = proved.get(name) ?? { evidence: 0, mismatches: 0 };
      sum.evidence += evidenceOf(shape);
      sum.mismatches += sumOf(shape, 'mismatch');
      proved.set(name, sum);
    }
  }
  return new Set(
    [...proved]
      .filter(
        ([, { evidence, mismatches }]) => mismatches === 0 && evidence >= gateLimits.cohortProof,
      )
      .map(([name]) => name),
  );
}

/** One text a shape, for maps. */
export function shapeName({ operation, shape }: ShapeRecord): string {
  return `${operation}\0${shape}`;
}

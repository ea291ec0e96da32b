import {
  evaluateGate,
  type Gate,
  type GateOperator,
  type GateResult,
  parseGate,
} from '@changeover/compare';
import { type Stage, stages } from '@changeover/core';
import type { TotalsBy } from '../../recorder/report-data.ts';
import {
  type Consequence,
  defaultGates,
  figureNames,
  type FigureName,
  type GateDefinition,
} from './default-gates.ts';
import { figureOf, type FigureSubject, type FigureUnit, figureUnits } from './figures.ts';
import { counted, countText, visibleText } from '../../plain-text.ts';
import type { JudgedData } from './judged-data.ts';

export const decisions = ['PROMOTE', 'HOLD', 'ROLL BACK', 'INCONCLUSIVE'] as const;

/**
 * What a report says to do.
 *
 * - `PROMOTE`: every gate holds; one stage forward.
 * - `HOLD`: a gate doesn't hold, and nobody was answered wrongly as far as is known.
 * - `ROLL BACK`: callers were, or may have been, answered wrongly by the pooled leg, or data is not what it should be.
 * - `INCONCLUSIVE`: no gate fails, but for some there is too little to tell. Never a pass.
 */
export type Decision = (typeof decisions)[number];

/** What became of one gate at one place. */
export interface GateOutcome {
  readonly title: string;
  readonly expression: string;
  readonly figure: FigureName;
  readonly unit: FigureUnit;
  readonly backend: string;
  /** Left out for a gate of all stages. */
  readonly stage?: Stage | undefined;
  readonly outcome: GateResult['outcome'];
  /** The side of the figure that the gate asks for; undefined where there is none. */
  readonly value: number | undefined;
  readonly side: Gate['side'];
  /** The figure itself and its bounds, where it is an estimate. */
  readonly estimate?: number | undefined;
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
  readonly operator: GateOperator;
  readonly threshold: number;
  /** Observations that the figure rests on. */
  readonly n: number;
  /** Why it is inconclusive, or what failed; undefined where it holds. */
  readonly reason?: string | undefined;
  /** What it says to do. */
  readonly decision: Decision;
}

/** One backend's part of the verdict. */
export interface BackendVerdict {
  readonly backend: string;
  readonly decision: Decision;
  readonly reason: string;
}

/** What to do, and why. */
export interface ReportVerdict {
  readonly decision: Decision;
  /** One sentence. */
  readonly reason: string;
  readonly backends: readonly BackendVerdict[];
  readonly gates: readonly GateOutcome[];
}

/** The first that any gate asks for decides. */
const precedence: readonly Decision[] = ['ROLL BACK', 'HOLD', 'INCONCLUSIVE'];

/** Stages at which both legs run, so that there is something to compare. */
const comparingStages: readonly string[] = ['shadow', 'reverse'] satisfies Stage[];
/** Stages at which the pooled leg answers callers. */
const pooledAnswers: readonly string[] = ['reverse', 'pooled'] satisfies Stage[];

/**
 * Asks every gate of every backend and stage.
 *
 * @throws {SyntaxError} for an expression that is no gate.
 * @throws {RangeError} for an unknown figure.
 */
export function decideVerdict(report: JudgedData): ReportVerdict {
  const { data, dataChecks } = report;
  const definitions = report.gates ?? defaultGates;
  const gates = definitions.flatMap((definition) =>
    placesOf(definition, report).flatMap(
      (place) => askGate(definition, { data, dataChecks, ...place }) ?? [],
    ),
  );
  const backends = backendsOf(report).map((backend) => ({
    backend,
    ...decide(
      gates.filter((gate) => gate.backend === backend),
      nextStep(report, backend),
    ),
  }));
  const decision = decideBy(gates);
  return { decision, reason: reasonOf(decision, gates, overallStep(report)), backends, gates };
}

function backendsOf({ data, dataChecks }: JudgedData): string[] {
  return [
    ...new Set([
      ...data.byStage.map(({ backend }) => backend),
      ...(dataChecks ?? []).map(({ backend }) => backend),
    ]),
  ].sort();
}

/** What was counted before a dataset was resumed is shown, and decides nothing. */
function judgedStages({ data }: JudgedData): readonly TotalsBy[] {
  return (data.judged ?? data).byStage;
}

type Place = Pick<FigureSubject, 'backend' | 'stage'>;

function placesOf({ scope }: GateDefinition, report: JudgedData): Place[] {
  return backendsOf(report).flatMap((backend): Place[] => {
    if (scope === 'backend') return [{ backend }];
    const called = judgedStages(report)
      .filter((totals) => totals.backend === backend && totals.calls > 0)
      .map(({ stage }) => stage)
      .sort((a, b) => orderOf(a) - orderOf(b));
    if (scope === 'stage') return called.map((stage) => ({ backend, stage }));
    if (scope === 'answering-stage')
      return called.filter((stage) => stage === 'reverse').map((stage) => ({ backend, stage }));
    if (scope !== 'comparing-stage')
      return called.filter((stage) => stage === scope).map((stage) => ({ backend, stage }));
    const comparing = called.filter((stage) => comparingStages.includes(stage ?? ''));
    // A backend that was never compared has its gates too: none can be told.
    return comparing.length === 0
      ? [{ backend, stage: 'shadow' }]
      : comparing.map((stage) => ({ backend, stage }));
  });
}

function orderOf(stage: Stage | undefined): number {
  return stage === undefined ? -1 : stages.indexOf(stage);
}

/** Undefined where the question doesn't arise. */
function askGate(definition: GateDefinition, subject: FigureSubject): GateOutcome | undefined {
  const gate = parseGate(definition.expression, figureNames);
  const name = gate.figure as FigureName;
  const found = figureOf(name, subject);
  if (found === undefined) return undefined;
  const isCount = 'count' in found;
  const asked = evaluateGate(gate, () => (isCount ? found.count : found));
  const missedOnly = asked.outcome === 'fail' && definition.ifMissed === 'inconclusive';
  const outcome = missedOnly ? 'inconclusive' : asked.outcome;
  const bounds =
    isCount || found.kind === 'inconclusive'
      ? {}
      : { estimate: found.value, lower: found.lower, upper: found.upper };
  const n = isCount ? found.n : asked.n;
  const stage = subject.stage as Stage | undefined;
  return {
    title: definition.title,
    expression: gate.expression,
    figure: name,
    unit: figureUnits[name],
    backend: subject.backend,
    stage,
    outcome,
    value: asked.value,
    side: gate.side,
    ...bounds,
    operator: gate.operator,
    threshold: gate.threshold,
    n,
    reason:
      asked.reason ??
      (asked.outcome === 'pass'
        ? undefined
        : failure(name, isCount ? found.count : found.kind === 'estimate' ? found.value : NaN, n)),
    decision: decisionOf(outcome, definition.ifMissed, stage),
  };
}

function decisionOf(
  outcome: GateResult['outcome'],
  ifMissed: Consequence,
  stage: Stage | undefined,
): Decision {
  if (outcome === 'pass') return 'PROMOTE';
  if (outcome === 'inconclusive') return 'INCONCLUSIVE';
  switch (ifMissed) {
    case 'inconclusive':
      return 'INCONCLUSIVE';
    case 'hold':
      return 'HOLD';
    case 'roll-back':
      return 'ROLL BACK';
    case 'by-stage':
      return stage !== undefined && pooledAnswers.includes(stage) ? 'ROLL BACK' : 'HOLD';
  }
}

/** What is wrong, as the end of "at shadow, …". */
function failure(name: FigureName, value: number, n: number): string {
  const count = Math.round(value * n);
  switch (name) {
    case 'comparisons':
      return value === 0
        ? 'nothing was compared'
        : `only ${counted(value, 'comparison was', 'comparisons were')} made`;
    case 'unwatched':
      return `${counted(value, 'operation', 'operations')} of ${countText(n)} ${value === 1 ? 'was' : 'were'} never compared`;
    case 'mismatch':
      return `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} ${count === 1 ? 'is a' : 'are'} confirmed ${
        count === 1 ? 'mismatch' : 'mismatches'
      }`;
    case 'unexplained':
      return `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} came to no explanation`;
    case 'failed':
      return `${counted(count, 'call', 'calls')} of ${countText(n)} failed`;
    case 'latency-p50-ratio':
      return `the pooled median is ${value.toFixed(2)} times the legacy one`;
    case 'error-increase':
      return 'calls fail more often on the pooled leg than on the legacy leg';
    case 'data-checks':
      return `${counted(count, 'table', 'tables')} of ${countText(n)} ${count === 1 ? 'is' : 'are'} not as expected`;
  }
}

function decideBy(gates: readonly GateOutcome[]): Decision {
  if (gates.length === 0) return 'INCONCLUSIVE';
  return (
    precedence.find((decision) => gates.some((gate) => gate.decision === decision)) ?? 'PROMOTE'
  );
}

function decide(
  gates: readonly GateOutcome[],
  step: string,
): { readonly decision: Decision; readonly reason: string } {
  const decision = decideBy(gates);
  return { decision, reason: reasonOf(decision, gates, step) };
}

function reasonOf(decision: Decision, gates: readonly GateOutcome[], step: string): string {
  if (decision === 'PROMOTE') return `All ${gates.length} gates hold: ${step}.`;
  const [first, ...others] = gates.filter((gate) => gate.decision === decision);
  if (first === undefined) return 'No gate was asked: there is nothing to decide by.';
  const more =
    others.length === 0
      ? ''
      : `, and ${counted(others.length, 'other gate', 'other gates')} ${
          decision === 'INCONCLUSIVE'
            ? "can't be told either"
            : others.length === 1
              ? "doesn't hold either"
              : "don't hold either"
        }`;
  const what = `${placeOf(first)}${first.reason ?? first.title}${more}`;
  const then = {
    'ROLL BACK': 'back to legacy',
    HOLD: 'stay at this stage',
    INCONCLUSIVE: 'too little to decide by',
  }[decision];
  return `${what.charAt(0).toUpperCase()}${what.slice(1)}: ${then}.`;
}

function placeOf({ backend, stage }: GateOutcome): string {
  return stage === undefined
    ? `on ${visibleText(backend)}, `
    : `on ${visibleText(backend)} at ${stage}, `;
}

function nextStep(report: JudgedData, backend: string): string {
  const last = Math.max(
    ...judgedStages(report)
      .filter((totals) => totals.backend === backend && totals.calls > 0)
      .map(({ stage }) => orderOf(stage)),
  );
  const next = stages[last + 1];
  return next === undefined ? 'the legacy leg may go' : `the keys may step forward to ${next}`;
}

function overallStep(report: JudgedData): string {
  const steps = [...new Set(backendsOf(report).map((backend) => nextStep(report, backend)))];
  return steps.length === 1
    ? (steps[0] ?? '')
    : "every backend's keys may step forward by one stage";
}

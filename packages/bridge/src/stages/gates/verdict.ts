import { type Stage, stages } from '@changeover/core';
import { counted } from '../../plain-text.ts';
import type { TotalsBy } from '../../recorder/report-data.ts';
import { defaultGates, type GateDefinition, gateLimits, type GateScope } from './default-gates.ts';
import { figureOf, type FigureSubject, type MeasuredPart } from './figures.ts';
import {
  askGate,
  decideBy,
  type Decision,
  type GateOutcome,
  keyText,
  overallStep,
  stepText,
  summary,
} from './gate-outcome.ts';
import type { JudgedData, KeyPosition } from './judged-data.ts';
import { explainedReliance, keyReliance } from './judge-reliance.ts';
import { cohortProof, judgeShapes, shapeName } from './judge-shapes.ts';
import {
  comparingStages,
  type KeyRecord,
  keyRecords,
  keyRecordsInSteps,
  latestStage,
  nameOf,
} from './key-record.ts';
import { cohortLatencies, cohortResolution, recentOfCohort } from './cohort.ts';
import { failsLately } from './fails-lately.ts';
import { recentByKey, recentFigureOf, type RecentOfKey } from './recent-figures.ts';
import { timeToPooled } from './time-to-pooled.ts';
import { inOneGo, type Steps } from '../../steps.ts';

/** One key's part of the verdict. */
export interface KeyVerdict {
  readonly backend: string;
  readonly key: string;
  /** The stage that it would leave. */
  readonly stage: Stage;
  readonly decision: Decision;
  /** One sentence. */
  readonly reason: string;
  /** Its own and its cohort's; the cohort's alone have no `key`. */
  readonly gates: readonly GateOutcome[];
  /** Commands that make gates hold which waiting doesn't. */
  readonly next: readonly string[];
  /** About how long until it stands at `pooled` by itself at the load that was seen, in ms. Left out where a gate has to hold first, or
   * it can't be told. */
  readonly aboutMs?: number | undefined;
}

/** One backend's part of the verdict: what the worst of its keys is told. */
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
  /** Every key that was called, but those on `legacy` that nothing holds there. */
  readonly keys: readonly KeyVerdict[];
  /** The cohorts' gates, and of the keys' own those that don't hold. */
  readonly gates: readonly GateOutcome[];
}

/** Cells that are added up in the time of one part of a step. */
const cellsAPart = 500;
/** Keys whose gates are looked at in that time. */
const recordsAPart = 10;

/** Nothing stands before `shadow`. */
export const toShadow = 'at shadow, callers are still answered by the legacy leg';

/**
 * Asks every gate of every key.
 *
 * @throws {SyntaxError} for an expression that is no gate.
 * @throws {RangeError} for an unknown figure.
 */
export function decideVerdict(report: JudgedData): ReportVerdict {
  return new GateJudge(report).verdict();
}

/** The keys of a backend that no gate of their own holds back: what is wrong with one says nothing of others. */
interface Cohort {
  readonly cells: readonly TotalsBy[];
  /** Of all its keys together, by stage. */
  readonly latencies: readonly MeasuredPart[];
  readonly recent: RecentOfKey;
}

const asksUnkept = /^\s*unkept\b/;

/** Asks the gates about one state of the recordings. */
export class GateJudge {
  readonly #report: JudgedData;
  readonly #definitions: readonly GateDefinition[];
  readonly #records: ReadonlyMap<string, KeyRecord>;
  readonly #recent: ReadonlyMap<string, RecentOfKey>;
  readonly #positions = new Map<string, KeyPosition & { readonly stage: Stage }>();
  readonly #proofs = new Map<string, ReadonlySet<string>>();
  readonly #cohorts = new Map<string, Cohort>();
  readonly #ownGates = new Map<string, readonly GateOutcome[]>();
  readonly #cohortGates = new Map<string, readonly GateOutcome[]>();

  /** @throws {SyntaxError | RangeError} as {@link decideVerdict}, at the first key that is judged. */
  constructor(report: JudgedData, records: readonly KeyRecord[] = keyRecords(report)) {
    this.#report = report;
    const given = report.gates ?? defaultGates;
    const asksShapes = given.length === 0 || given.some(({ scope }) => scope === 'shape');
    const shapes = defaultGates.filter(({ scope }) => scope === 'shape');
    const asksKept =
      given.length === 0 || given.some(({ expression }) => asksUnkept.test(expression));
    const kept = defaultGates.filter(({ expression }) => asksUnkept.test(expression));
    this.#definitions = [...(asksShapes ? [] : shapes), ...given, ...(asksKept ? [] : kept)];
    this.#recent = recentByKey(report.data.recent);
    this.#records = new Map(records.map((one) => [nameOf(one.backend, one.key), one]));
  }

  /** A judge that was asked in steps what every key's verdict rests on, so that each one takes the time of its own cells.
   *
   * @throws {SyntaxError | RangeError} as {@link decideVerdict}. */
  static *inSteps(report: JudgedData): Steps<GateJudge> {
    const judge = new GateJudge(report, yield* keyRecordsInSteps(report));
    yield* judge.#prepare();
    return judge;
  }

  /** Whether one key may leave a stage.
   *
   * @param from default: where it stands. */
  key(backend: string, key: string, from?: Stage): KeyVerdict {
    const record = this.#records.get(nameOf(backend, key)) ?? {
      backend,
      key,
      shapes: [],
      cells: [],
    };
    return this.#judge(record, from ?? this.#positionOf(record).stage);
  }

  *#prepare(): Steps<void> {
    for (const from of stages) {
      if (from === 'legacy') continue;
      for (const backend of this.#backends) {
        yield* this.#proveInSteps(backend, from);
      }
    }
    for (const record of this.#records.values()) {
      this.#own(record, latestStage(record) ?? 'legacy');
      yield record.cells.length + record.shapes.length;
    }
    for (const backend of this.#backends) {
      yield* this.#gatherCohort(backend);
      for (const from of stages) yield* this.#askCohort(backend, from);
    }
  }

  verdict(): ReportVerdict {
    return inOneGo(this.verdictInSteps());
  }

  /** The same in steps. */
  *verdictInSteps(): Steps<ReportVerdict> {
    const keys: KeyVerdict[] = [];
    for (const record of this.#records.values()) {
      const one = this.#judge(record, this.#positionOf(record).stage);
      yield 1;
      // Of the others on legacy nothing is said: nothing was compared, and nothing stands before shadow.
      if (one.stage !== 'legacy' || one.decision === 'HOLD') keys.push(one);
    }
    const names = [
      ...new Set([
        ...this.#backends,
        ...(this.#report.dataChecks ?? []).map(({ backend }) => backend),
      ]),
    ].sort();
    const backends = names.map((backend) => this.#backend(backend, keys));
    const gates = [
      ...new Set([
        ...names.flatMap((backend) => this.#gatesOf(backend, keys)),
        ...keys.flatMap((one) => one.gates.filter(isOpen)),
      ]),
    ];
    // A backend that has no key beyond legacy asks for no step, unless there is no other.
    const moving = backends.filter(({ backend }) => keys.some((one) => one.backend === backend));
    const decision = decideBy(moving.length === 0 ? backends : moving);
    const first = (moving.length === 0 ? backends : moving).find(
      (one) => one.decision === decision,
    );
    const reason =
      first === undefined
        ? 'No gate was asked: there is nothing to decide by.'
        : decision === 'PROMOTE'
          ? `All gates hold: ${overallStep(keys)}.`
          : first.reason;
    return { decision, reason, backends, keys, gates };
  }

  #backend(backend: string, all: readonly KeyVerdict[]): BackendVerdict {
    const keys = all.filter((one) => one.backend === backend);
    if (keys.length === 0) {
      const { decision, reason } = summary(this.#cohortAt(backend, 'shadow'), '');
      return { backend, decision: decision === 'PROMOTE' ? 'INCONCLUSIVE' : decision, reason };
    }
    const decision = decideBy(keys);
    if (decision === 'PROMOTE')
      return { backend, decision, reason: `All gates hold: ${overallStep(keys)}.` };
    const [first, ...others] = keys.filter((one) => one.decision === decision);
    const pass = keys.filter((one) => one.decision === 'PROMOTE').length;
    const rest = [
      ...(others.length === 0
        ? []
        : [`the same is said of ${counted(others.length, 'other key', 'other keys')}`]),
      ...(pass === 0 ? [] : [`${counted(pass, 'key', 'keys')} may step forward`]),
    ].join(', and ');
    const more = rest === '' ? '' : ` ${rest.charAt(0).toUpperCase()}${rest.slice(1)}.`;
    return { backend, decision, reason: `${first?.reason ?? ''}${more}` };
  }

  #gatesOf(backend: string, keys: readonly KeyVerdict[]): readonly GateOutcome[] {
    const own = keys.filter((one) => one.backend === backend);
    return own.length === 0
      ? this.#cohortAt(backend, 'shadow')
      : own.flatMap(({ gates }) => gates.filter(({ key }) => key === undefined));
  }

  #judge(record: KeyRecord, from: Stage): KeyVerdict {
    const { backend, key } = record;
    const { held } = this.#positionOf(record);
    const name = { backend, key, stage: from };
    if (held !== undefined)
      return {
        ...name,
        decision: 'HOLD',
        reason: `${keyText(record)} ${held}.`,
        gates: [],
        next: [],
      };
    if (from === 'legacy')
      return { ...name, decision: 'PROMOTE', reason: `No gate: ${toShadow}.`, gates: [], next: [] };
    const gates = [...this.#own(record, from), ...this.#cohortAt(backend, from)];
    const next = [...new Set(gates.flatMap(({ next: command }) => command ?? []))];
    const told = summary(gates, stepText(from));
    const proved = this.#proofOf(backend, from);
    const aboutMs =
      next.length > 0 || (told.decision !== 'PROMOTE' && told.decision !== 'INCONCLUSIVE')
        ? undefined
        : timeToPooled(record, from, (shape) => proved.has(shapeName(shape)));
    return { ...name, ...told, gates, next, ...(aboutMs === undefined ? {} : { aboutMs }) };
  }

  #own(record: KeyRecord, from: Stage): readonly GateOutcome[] {
    const name = `${nameOf(record.backend, record.key)}\0${from}`;
    const known = this.#ownGates.get(name) ?? this.#askOwn(record, from);
    this.#ownGates.set(name, known);
    return known;
  }

  #askOwn(record: KeyRecord, from: Stage): readonly GateOutcome[] {
    if (this.#definitions.length === 0) return [];
    const { backend, key } = record;
    const proved = this.#proofOf(backend, from);
    const reliance = keyReliance(
      this.#report.data.reliance.filter((one) => one.backend === backend && one.key === key),
      this.#positionOf(record),
    );
    const shapes = judgeShapes(this.#of('shape'), {
      record,
      from,
      accepted: this.#positionOf(record).accepted ?? [],
      isProved: (shape) => proved.has(shapeName(shape)),
    });
    const subject: FigureSubject = {
      cells: record.cells,
      // Percentiles of few calls say nothing of one operation: the cohort's do.
      latencies: from === 'reverse' ? record.cells : [],
      dataChecks: this.#report.dataChecks?.filter(
        (one) => one.backend === backend && one.key === key,
      ),
      unkept:
        reliance.relied.length === 0
          ? undefined
          : { count: reliance.unkept.length, n: reliance.relied.length },
      stage: from,
    };
    const own = this.#of('key').flatMap((definition) => {
      const found = askGate(definition, { backend, key, stage: from }, (figure) => {
        const value = figureOf(figure, subject);
        const told = value !== undefined && ('count' in value || value.kind === 'estimate');
        return told || figure === 'data-checks' ? value : undefined;
      });
      const lately =
        found?.outcome === 'fail' ? undefined : this.#askRecent(definition, record, from);
      if (lately !== undefined) return [lately];
      if (found === undefined) return [];
      return [explainedReliance(provedCalls(found, record, proved), reliance, record)];
    });
    return [...shapes, ...own];
  }

  /** What is wrong with the latest calls is wrong now, however well all that came before went. */
  #askRecent(
    definition: GateDefinition,
    { backend, key, cells }: KeyRecord,
    stage: Stage,
  ): GateOutcome | undefined {
    const recent = this.#recent.get(nameOf(backend, key));
    if (recent === undefined) return undefined;
    const asked = { whole: cells, stage, nowMs: this.#report.data.generatedAt };
    return failsLately(definition, { backend, key, stage }, (figure) =>
      recentFigureOf(figure, recent, asked),
    );
  }

  #askRecentCohort(
    definition: GateDefinition,
    { cells, recent }: Cohort,
    backend: string,
    stage: Stage | undefined,
  ): GateOutcome | undefined {
    const nowMs = this.#report.data.generatedAt;
    const asked = { whole: cells, stage, nowMs, resolution: cohortResolution };
    return failsLately(definition, { backend, stage }, (figure) =>
      recentFigureOf(figure, recent, asked),
    );
  }

  #cohortAt(backend: string, from: Stage): readonly GateOutcome[] {
    return inOneGo(this.#askCohort(backend, from));
  }

  *#askCohort(backend: string, from: Stage): Steps<readonly GateOutcome[]> {
    const name = nameOf(backend, from);
    const known = this.#cohortGates.get(name);
    if (known !== undefined) return known;
    const cohort = this.#cohortOf(backend);
    const { cells, latencies } = cohort;
    const called = stages.filter((stage) =>
      cells.some((cell) => cell.stage === stage && cell.calls > 0),
    );
    const gates: GateOutcome[] = [];
    for (const definition of this.#definitions) {
      for (const stage of cohortStages(definition.scope, from, called)) {
        const outcome = askGate(definition, { backend, stage }, (figure) =>
          figureOf(figure, { cells, latencies, dataChecks: undefined, stage }),
        );
        const lately =
          outcome?.outcome === 'fail'
            ? undefined
            : this.#askRecentCohort(definition, cohort, backend, stage);
        const told = lately ?? outcome;
        if (told !== undefined) gates.push(told);
        yield cells.length / cellsAPart;
      }
    }
    this.#cohortGates.set(name, gates);
    return gates;
  }

  #cohortOf(backend: string): Cohort {
    return inOneGo(this.#gatherCohort(backend));
  }

  *#gatherCohort(backend: string): Steps<Cohort> {
    const known = this.#cohorts.get(backend);
    if (known !== undefined) return known;
    const cells: TotalsBy[] = [];
    const keys = new Set<string>();
    const recent: RecentOfKey[] = [];
    for (const record of this.#recordsOf(backend)) {
      yield 1 / recordsAPart;
      const own = decideBy(this.#own(record, latestStage(record) ?? 'legacy'));
      if (own === 'HOLD' || own === 'ROLL BACK') continue;
      keys.add(record.key);
      for (const cell of record.cells) cells.push(cell);
      const lately = this.#recent.get(nameOf(backend, record.key));
      if (lately !== undefined) recent.push(lately);
    }
    const latencies = yield* cohortLatencies(this.#report.data, backend, keys);
    const cohort = { cells, latencies, recent: yield* recentOfCohort(recent) };
    this.#cohorts.set(backend, cohort);
    return cohort;
  }

  #proofOf(backend: string, from: Stage): ReadonlySet<string> {
    return inOneGo(this.#proveInSteps(backend, from));
  }

  *#proveInSteps(backend: string, from: Stage): Steps<ReadonlySet<string>> {
    const name = nameOf(backend, from);
    const known = this.#proofs.get(name);
    if (known !== undefined) return known;
    const proof = yield* cohortProof(this.#recordsOf(backend), from);
    this.#proofs.set(name, proof);
    return proof;
  }

  get #backends(): readonly string[] {
    return [...new Set([...this.#records.values()].map(({ backend }) => backend))];
  }

  #recordsOf(backend: string): readonly KeyRecord[] {
    return [...this.#records.values()].filter((record) => record.backend === backend);
  }

  #positionOf(record: KeyRecord): KeyPosition & { readonly stage: Stage } {
    const name = nameOf(record.backend, record.key);
    const known = this.#positions.get(name);
    if (known !== undefined) return known;
    const given = this.#report.position?.(record.backend, record.key);
    const position = { ...given, stage: given?.stage ?? latestStage(record) ?? 'legacy' };
    this.#positions.set(name, position);
    return position;
  }

  #of(scope: GateScope): readonly GateDefinition[] {
    return this.#definitions.filter((definition) => definition.scope === scope);
  }
}

/** A key of few calls passes by what its cohort proved of all of them. */
function provedCalls(
  outcome: GateOutcome,
  { shapes }: KeyRecord,
  proved: ReadonlySet<string>,
): GateOutcome {
  const few = outcome.figure === 'calls' && outcome.outcome === 'inconclusive';
  const enough = (outcome.value ?? 0) >= gateLimits.ownWhereCohortProved;
  return few && enough && shapes.every((shape) => proved.has(shapeName(shape)))
    ? { ...outcome, outcome: 'pass', decision: 'PROMOTE', reason: undefined }
    : outcome;
}

function isOpen({ outcome }: GateOutcome): boolean {
  return outcome !== 'pass';
}

/** The stages of a cohort at which a gate is asked for a key that stands at `from`; undefined is all of them together. */
function cohortStages(
  scope: GateScope,
  from: Stage,
  called: readonly Stage[],
): readonly (Stage | undefined)[] {
  switch (scope) {
    case 'shape':
    case 'key':
      return [];
    case 'backend':
      return [undefined];
    case 'stage':
      return [from];
    case 'answering-stage':
      return from === 'reverse' ? [from] : [];
    case 'comparing-stage': {
      if (comparingStages.includes(from)) return [from];
      const seen = called.filter((stage) => comparingStages.includes(stage));
      // A backend that was never compared has its gates too: none can be told.
      return seen.length === 0 ? ['shadow'] : seen;
    }
    default:
      return called.includes(scope) && stages.indexOf(scope) <= stages.indexOf(from) ? [scope] : [];
  }
}

import { stageNamed, type Stage } from '@changeover/core';
import {
  type KeyVerdict,
  type LedgerChange,
  type RelianceText,
  relianceTexts,
  type ReportVerdict,
  type SampleGroup,
  type ShapeEvidence,
  timeText,
  type TimeSlice,
  type TotalsBy,
} from '@changeover/bridge';
import type { KeyBackground, Report } from './report.ts';
import type { KeyLine } from './key-lines.ts';

/** Everything that is known of one key, for its page. */
export interface KeyFigures {
  readonly line: KeyLine;
  readonly verdict: KeyVerdict | undefined;
  readonly background: KeyBackground;
  /** `on shadow since … by flag: …` */
  readonly since: string;
  /** By operation and stage. */
  readonly cells: readonly TotalsBy[];
  readonly shapes: readonly ShapeEvidence[];
  readonly mismatches: readonly SampleGroup[];
  readonly reliance: readonly RelianceText[];
  readonly hours: readonly TimeSlice[];
  readonly minutes: readonly TimeSlice[];
}

interface Own {
  readonly cells: TotalsBy[];
  readonly shapes: ShapeEvidence[];
  readonly hours: TimeSlice[];
  readonly minutes: TimeSlice[];
}

/** Looks up one key after the other in a report: gone through once, since there may be thousands. */
export class KeyFinder {
  readonly #report: Report;
  readonly #verdicts: ReadonlyMap<string, KeyVerdict>;
  readonly #own = new Map<string, Own>();

  constructor(report: Report, verdict: ReportVerdict) {
    this.#report = report;
    this.#verdicts = new Map(verdict.keys.map((one) => [nameOf(one.backend, one.key), one]));
    const { cells, shapes, hours, minutes } = report.data;
    for (const cell of cells) this.#ownOf(cell.backend, cell.dataset ?? '').cells.push(cell);
    for (const shape of shapes) this.#ownOf(shape.backend, shape.key).shapes.push(shape);
    for (const slice of hours?.byDataset ?? [])
      this.#ownOf(slice.backend, slice.dataset).hours.push(slice);
    for (const slice of minutes?.byDataset ?? [])
      this.#ownOf(slice.backend, slice.dataset).minutes.push(slice);
  }

  figures(line: KeyLine): KeyFigures {
    const { backend, key } = line;
    const { data } = this.#report;
    const background = this.#report.background?.(backend, key) ?? {};
    return {
      line,
      verdict: this.#verdicts.get(nameOf(backend, key)),
      background,
      since: this.#since(line, background.ledger ?? []),
      ...this.#ownOf(backend, key),
      mismatches: data.sampleGroups.filter(
        (group) =>
          group.verdict === 'mismatch' &&
          group.backend === backend &&
          group.samples.some(({ dataset }) => dataset === key),
      ),
      reliance: relianceTexts(
        data.reliance.filter((one) => one.backend === backend && one.key === key),
      ),
    };
  }

  #ownOf(backend: string, key: string): Own {
    const name = nameOf(backend, key);
    const own = this.#own.get(name) ?? { cells: [], shapes: [], hours: [], minutes: [] };
    this.#own.set(name, own);
    return own;
  }

  /** Since when it is on its stage, by whom and why: from the ledger, else from the time line. */
  #since({ backend, key, stage }: KeyLine, ledger: readonly LedgerChange[]): string {
    const last = ledger.at(-1);
    if (last?.held === true)
      return `held at ${last.to} since ${timeText(last.at)} by ${last.who}: ${last.reason}`;
    const line = ledger.findLast(({ to, from }) => to === stage && from !== to);
    if (line !== undefined)
      return `on ${stage} since ${timeText(line.at)}, moved from ${line.from} by ${line.who}: ${line.reason}`;
    const event = this.#report.data.timeline.findLast(
      ({ kind, fields }) =>
        kind === 'stage' &&
        fields['backend'] === backend &&
        fields['dataset'] === key &&
        stageNamed(fields['to']) === stage,
    );
    if (event === undefined) return sinceFirstSeen(stage, this.#ownOf(backend, key).shapes);
    const reason = event.fields['reason'];
    return `on ${stage} since ${timeText(event.at)}${typeof reason === 'string' ? `: ${reason}` : ''}`;
  }
}

function sinceFirstSeen(stage: Stage, shapes: readonly ShapeEvidence[]): string {
  const first = Math.min(
    ...shapes.filter((shape) => shape.stage === stage).map(({ firstSeen }) => firstSeen),
  );
  return Number.isFinite(first)
    ? `on ${stage} since it was first called there, ${timeText(first)}; no change of stage was recorded`
    : `on ${stage}; no change of stage was recorded`;
}

function nameOf(backend: string, key: string): string {
  return `${backend}\0${key}`;
}

import type { ComparisonRecord } from './comparison-log.ts';
import type { Cell } from '../recorder/cell.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';

/**
 * One comparison that is due. It ends exactly once, with a verdict or shed with a reason, so that the counts add up
 * whatever fails, times out or arrives late.
 */
export class PendingComparison {
  readonly #cell: Cell;
  readonly #report: (record: ComparisonRecord) => void;
  #settled = false;
  #suspicion: string | undefined;
  #explain: (() => ComparisonRecord | undefined) | undefined;

  constructor(cell: Cell, report: (record: ComparisonRecord) => void) {
    this.#cell = cell;
    this.#report = report;
    cell.sampled += 1;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** From here on the comparison is no longer shed: a difference was seen, and what is not confirmed is inconclusive.
   *
   * @param explain asked then for a verdict that explains the difference all the same. */
  suspect(difference: string, explain?: () => ComparisonRecord | undefined): void {
    this.#suspicion = difference;
    this.#explain = explain;
  }

  verdict(record: ComparisonRecord): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#cell.countVerdict(record.verdict);
    this.#report(record);
  }

  shed(reason: ShedReason): void {
    if (this.#settled) return;
    if (this.#suspicion !== undefined) {
      this.verdict(
        this.#explain?.() ?? {
          verdict: 'inconclusive',
          class: this.#suspicion,
          reason: `a difference was seen and could not be confirmed (${reason})`,
        },
      );
      return;
    }
    this.#settled = true;
    this.#cell.countShed(reason);
  }
}

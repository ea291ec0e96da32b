import type { ComparedCall, ComparisonRecord } from './comparison-log.ts';
import type { Cell, ShapeCounts } from '../recorder/cell.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';

/**
 * One comparison that is due. It ends exactly once, with a verdict or shed with a reason, so that the counts add up
 * whatever fails, times out or arrives late.
 */
export class PendingComparison {
  readonly #cell: Cell;
  readonly #shape: ShapeCounts;
  readonly #report: (record: ComparisonRecord, call: ComparedCall) => void;
  readonly #trace: string | undefined;
  /** Gives back what it took of its shape's quota; undefined where it is of none. */
  readonly #giveBack: (() => void) | undefined;
  /** The caller's arguments, for the sample. What the caller may change must be a copy. */
  args: readonly unknown[] | undefined;
  /** Called when it ends. */
  onSettled: (() => void) | undefined;
  #settled = false;
  #suspicion: string | undefined;
  #explain: (() => ComparisonRecord | undefined) | undefined;

  constructor(
    { cell, shape }: { readonly cell: Cell; readonly shape: ShapeCounts },
    report: (record: ComparisonRecord, call: ComparedCall) => void,
    {
      giveBack,
      trace,
    }: { readonly giveBack?: (() => void) | undefined; readonly trace?: string | undefined } = {},
  ) {
    this.#trace = trace;
    this.#giveBack = giveBack;
    this.#cell = cell;
    this.#shape = shape;
    this.#report = report;
    cell.sampled += 1;
  }

  /** It is of its shape's quota, and so is all that is run for it. */
  get quota(): boolean {
    return this.#giveBack !== undefined;
  }

  /** How many of its shape were compared. */
  get compared(): number {
    return this.#shape.compared;
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
    this.#settle();
    this.#cell.countVerdict(record.verdict);
    this.#shape.countVerdict(record.verdict);
    this.#report(record, { args: this.args, trace: this.#trace });
  }

  /** Sheds what was not begun, so that its shape's quota is left for another call. */
  refuse(reason: ShedReason): void {
    if (this.#settled) return;
    this.#giveBack?.();
    this.#settle();
    this.#cell.countShed(reason);
    // Whether a budget will never do is known to whoever asked it.
    if (reason !== 'budget') this.#shape.noteShed(reason);
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
    this.#settle();
    this.#cell.countShed(reason);
    this.#shape.noteShed(reason);
  }

  #settle(): void {
    this.#settled = true;
    this.onSettled?.();
  }
}

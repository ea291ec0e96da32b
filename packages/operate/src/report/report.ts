import type { JudgedData, LedgerChange, StageDecision } from '@changeover/bridge';

/** What is known of a key beside what was recorded: what its flag asks, and who moved it. */
export interface KeyBackground {
  /** The flag's name, what it asks for and why in plain words. */
  readonly flag?:
    | (Pick<StageDecision, 'stage' | 'reason' | 'source' | 'revision'> & { readonly name: string })
    | undefined;
  /** Its own lines of the ledger and those of its whole backend, oldest first. Default: none. */
  readonly ledger?: readonly LedgerChange[] | undefined;
}

/** What a report is made of. What was judged with no data checks says so. */
export interface Report extends JudgedData {
  /** Default: `Shadow comparison`. */
  readonly title?: string | undefined;
  /** What is known of a key beside the recordings. Default: nothing. */
  readonly background?: ((backend: string, key: string) => KeyBackground) | undefined;
  /** Keys that were moved or held and perhaps never called. Default: those that were recorded. */
  readonly keys?: readonly { readonly backend: string; readonly key: string }[] | undefined;
  /** Checks that no gate is, each that did not hold in a sentence: a report with one says nowhere that all is well. Default: none. */
  readonly problems?: readonly string[] | undefined;
  /** Where the figures come from, for whoever repeats them: seed, versions, revision of the flags. */
  readonly provenance?: Readonly<Record<string, string>> | undefined;
  /** What may be typed so that keys go on, for `json`. Default: what its gates name, which know of neither flags nor holds. */
  readonly next?: readonly string[] | undefined;
}

export const reportFormats = ['html', 'json', 'md', 'text', 'junit'] as const;

/** What a report can be written as. */
export type ReportFormat = (typeof reportFormats)[number];

export function titleOf(report: Report): string {
  return report.title ?? 'Shadow comparison';
}

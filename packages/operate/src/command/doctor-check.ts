import type { ParsedSettings } from '@changeover/bridge';

/** What `changeover doctor` found by one check. */
export interface DoctorFinding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `problem`: something will fail. `warning`: it works, but not as a person may think. */
  readonly status: 'ok' | 'warning' | 'problem';
  /** What is there. */
  readonly found: string;
  /** What to do about it; null where nothing. */
  readonly todo: string | null;
  /** What may be typed about it. Default: nothing, where a file or a setting is to be changed, or the machine. */
  readonly next?: readonly string[];
}

/** What a check may look at. */
export interface DoctorSubject {
  readonly place: ParsedSettings;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project's folder: packages are looked for from there, as a program of it would find them. */
  readonly folder: string;
}

/** One thing to look at. What it throws is a problem of its own; it bounds its own waiting. */
export interface DoctorCheck {
  readonly name: string;
  readonly run: (
    subject: DoctorSubject,
  ) => readonly DoctorFinding[] | Promise<readonly DoctorFinding[]>;
}

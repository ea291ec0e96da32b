/** Puts `text` in the place of what stands from `start` to `end`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Makes edits that don't overlap. All else of the text stays as it is, byte for byte; two at one place keep their order. */
export function applyEdits(text: string, edits: readonly Edit[], lineEnd: string): string {
  const sorted = edits.toSorted((one, other) => one.start - other.start || one.end - other.end);
  const parts: string[] = [];
  let at = 0;
  for (const edit of sorted) {
    if (edit.start < at) throw new RangeError(`Two edits overlap at ${String(edit.start)}.`);
    parts.push(text.slice(at, edit.start), edit.text.replaceAll(/\r?\n/g, lineEnd));
    at = edit.end;
  }
  return [...parts, text.slice(at)].join('');
}

/** What a wrapped handle needs. */
export interface WrappedHandle {
  readonly edits: readonly Edit[];
  readonly module: string;
  readonly imported: string;
  readonly todos: readonly string[];
  /** What is to be known, and nothing is to be done about in the file. */
  readonly notes?: readonly string[];
}

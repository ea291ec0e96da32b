/** What comparisons have in common that are one in a report. */
export interface SampleIdentity {
  readonly backend: string;
  readonly verdict: string;
  readonly operation: string;
  readonly class: string | undefined;
  /** Undefined where comparisons of all keys are one. */
  readonly key: string | undefined;
  /** The call without its values. Undefined where those of all shapes are one. */
  readonly shape: string | undefined;
}

/** Without letters that look like digits, so that it can be read out and typed. */
const letters = '0123456789abcdefghjkmnpqrstvwxyz';
const idLength = 8;
const idForm = new RegExp(`^[${letters}]{${idLength}}$`);

/** The short name of comparisons that are alike: the same in all processes, on all hosts and at each run. 40 bits of SHA-256. */
export function sampleId(identity: SampleIdentity): string {
  const { backend, verdict, operation, class: kind, key, shape } = identity;
  return shortHash(JSON.stringify([backend, verdict, operation, kind, key, shape]));
}

/** The name of a row of the store: rows of stores before version 7 have a longer fingerprint in its place. */
export function idOfFingerprint(fingerprint: string): string {
  return idForm.test(fingerprint) ? fingerprint : shortHash(fingerprint);
}

function shortHash(text: string): string {
  // Loaded with the first one: importing it would be some milliseconds of each program's start.
  const { createHash } = process.getBuiltinModule('node:crypto');
  const hash = createHash('sha256').update(text).digest();
  // Five bits a letter are the letter's place in the alphabet.
  return Array.from(hash.subarray(0, idLength), (byte) => letters.charAt(byte & 31)).join('');
}

/** Whom a stage, a hold or a breach is about, on one backend: a key, the calls that concern no key, or all of them. */
export type Target =
  | { readonly kind: 'key'; readonly name: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'all' };

/** What a call can be about: a key, or none. */
export type CallTarget = Exclude<Target, { readonly kind: 'all' }>;

/** The calls that concern no key, as `listDatasets` does. */
export const noKey: CallTarget = Object.freeze({ kind: 'none' });

/** Every call of a backend. */
export const allKeys: Target = Object.freeze({ kind: 'all' });

/** One key, by its name. */
export function keyTarget(name: string): CallTarget {
  return { kind: 'key', name };
}

/** A target for people. */
export function targetText(target: Target): string {
  switch (target.kind) {
    case 'key':
      return target.name;
    case 'none':
      return 'calls about no key';
    case 'all':
      return 'all keys';
  }
}

import { ChangeoverError } from '@changeover/core';
import type { OperationSpec } from './operations.ts';

/** A function of a leg, of a bridge, or of an option. */
export type Method = (...args: readonly unknown[]) => unknown;

/** Makes a call from the list of its arguments. */
export type ListCall = (args: readonly unknown[]) => unknown;

/** A member that the bridge knows, by its way from the object: `['nodes', 'upsert']`. */
export interface Member {
  /** As flags, counts and reports call it: `nodes.upsert`. */
  readonly operation: string;
  readonly path: readonly string[];
  readonly spec: Exclude<OperationSpec, { readonly kind: 'sub' }>;
}

/** What the legs' functions are asked for by the names that nobody calls: a write's rehearsal and what it left. */
export const rehearsalOf = (operation: string): string => `${operation} (rehearsed)`;
export const observationOf = (operation: string): string => `${operation} (observed)`;

/** The name of the key where a bridge has one for all calls. */
export const onlyKey = 'all';

/** Every member that was declared, those of objects inside with their way to it. */
export function membersOf(
  operations: Readonly<Record<string, OperationSpec>>,
  path: readonly string[] = [],
): Member[] {
  return Object.entries(operations).flatMap(([name, spec]): Member[] => {
    const own = [...path, name];
    return spec.kind === 'sub'
      ? membersOf(spec.operations, own)
      : [{ operation: own.join('.'), path: own, spec }];
  });
}

/** The object that a member is a method of. */
export function ownerOf(object: object, { path }: Pick<Member, 'path'>): object | undefined {
  let owner: unknown = object;
  // Asked at calls: no copy of the path is made.
  for (let at = 0; at < path.length - 1; at += 1)
    owner = (owner as Record<string, unknown> | null)?.[path[at] ?? ''];
  return (typeof owner === 'object' && owner !== null) || typeof owner === 'function'
    ? owner
    : undefined;
}

/** A member's function on an object; undefined where there is none. */
export function methodOf(object: object, member: Pick<Member, 'path'>): Method | undefined {
  const owner = ownerOf(object, member) as Record<string, unknown> | undefined;
  const method = owner?.[member.path.at(-1) ?? ''];
  return typeof method === 'function' ? (method as Method) : undefined;
}

/** What was given for something else, as a message says it: its text, or its type. */
export function givenText(value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'string' ? `"${value}"` : `of type ${typeof value}`;
}

/** A bridge that can't be made, or a leg that can't be bridged: the message says what to type. */
export class WiringError extends ChangeoverError {
  override readonly name = 'WiringError';
  constructor(message: string, cause?: unknown) {
    super('WIRING', message, { cause });
  }
}

/** A key that is no text, or too long. */
export class InvalidKeyError extends ChangeoverError {
  override readonly name = 'InvalidKeyError';
  constructor(message: string) {
    super('INVALID_KEY', message);
  }
}

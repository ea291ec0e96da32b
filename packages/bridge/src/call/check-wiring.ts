import { knownNames, type LegName } from '@changeover/core';
import { methodNames } from './method-names.ts';
import { type Member, methodOf, ownerOf, WiringError } from './members.ts';

/** A bridge's name, which is part of its flag's.
 *
 * @throws {WiringError} */
export function checkName(name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name)) return name;
  throw new WiringError(
    `A bridge's name is ${JSON.stringify(name)}: use 1 to 63 letters, digits, "_" and "-", beginning with a letter or digit.`,
  );
}

/**
 * Checks that both legs have what was declared, and that everything callable of the legacy leg and of its objects with declared
 * members was.
 *
 * @throws {WiringError} with every fault there is, each with what to type.
 */
export function checkWiring(
  name: string,
  members: readonly Member[],
  legs: { readonly legacy: object; readonly pooled: object | undefined },
  undeclared: 'refuse' | 'legacy',
): void {
  const unreadable = members.flatMap((member) => [
    ...unreadableOn('legacy', legs.legacy, member),
    ...(member.spec.kind === 'legacyOnly' ? [] : unreadableOn('pooled', legs.pooled, member)),
  ]);
  const unread = new Set(unreadable.map(({ member }) => member));
  const faults = [
    ...new Set(unreadable.map(({ text }) => text)),
    ...members.flatMap((member) => (unread.has(member) ? [] : missingFrom(legs, member))),
  ];
  if (undeclared === 'refuse') faults.push(...undeclaredIn(legs.legacy, members));
  if (faults.length > 0)
    throw new WiringError(
      `The bridge "${name}" can't be made: ${faults.join('; ')}.`,
      unreadable[0]?.error,
    );
}

/** A member that a leg can't even be asked for. */
interface Unreadable {
  readonly member: Member;
  readonly text: string;
  readonly error: unknown;
}

/** Reads what is on the way to a member, and the member: what a getter throws says nothing of which leg it is on. */
function unreadableOn(leg: LegName, object: object | undefined, member: Member): Unreadable[] {
  const { path } = member;
  let read: unknown = object;
  for (const [at, name] of path.entries()) {
    try {
      read = (read as Record<string, unknown> | null | undefined)?.[name];
    } catch (error) {
      const property = path.slice(0, at + 1).join('.');
      const text =
        `reading ${property} of the ${leg} leg throws ${String(error)}: give that leg when it is ready, ` +
        `${leg}: async () => { …; return it; }, or let ${property} be read at any time`;
      return [{ member, text, error }];
    }
  }
  return [];
}

/** What to type where a leg lacks a member. */
function missingFrom(
  { legacy, pooled }: { readonly legacy: object; readonly pooled: object | undefined },
  member: Member,
): string[] {
  const { operation, spec } = member;
  if (methodOf(legacy, member) === undefined) return [missingFromLegacy(legacy, member)];
  if (spec.kind === 'legacyOnly' || pooled === undefined) return [];
  return methodOf(pooled, member) === undefined
    ? [
        `the pooled leg has no method ${operation}: give it one, or declare ${operation}: legacyOnly() to keep it where it is. ` +
          '(A copy by { ...object } has no methods of its class.)',
      ]
    : [];
}

/** What a declared member is on the legacy leg, where it is no method, and what to type in its place. */
function missingFromLegacy(legacy: object, member: Member): string {
  const { operation, path } = member;
  const absent = `the legacy leg has no method ${operation}`;
  const inside = path.slice(0, -1);
  const owner = ownerOf(legacy, member);
  if (owner === undefined)
    return `${absent}, for it has no object ${inside.join('.')}: leave ${inside.join('.')} out, or give it one`;
  if (typeof owner === 'function' && inside.length > 0)
    return `${absent}: ${inside.join('.')} is a method: declare it as one, ${inside.at(-1) ?? ''}: read(), instead of sub({ … })`;
  const name = path.at(-1) ?? '';
  if (name in owner)
    return `${absent}: it is a property, which needs no declaration: leave ${name} out, or where it is an object write ${name}: sub({ … })`;
  const names = siblingMethods(legacy, member);
  return `${absent}: ${names.length === 0 ? 'it has no methods' : knownNames(operation, names)}`;
}

/** The methods of the object that a member would be of, each by its whole name. */
function siblingMethods(legacy: object, member: Member): string[] {
  const owner = ownerOf(legacy, member);
  const inside = member.path.slice(0, -1);
  return owner === undefined
    ? methodNames(legacy)
    : methodNames(owner).map((name) => [...inside, name].join('.'));
}

/** An object inside; undefined where there is none, or where reading it throws, which is told by the member that it was read for. */
function readableOwner(legacy: object, path: readonly string[]): object | undefined {
  try {
    return ownerOf(legacy, { path: [...path, ''] });
  } catch {
    return undefined;
  }
}

/** A fault for each method that nobody declared, of the object itself and of each object inside that has declared members. */
function undeclaredIn(
  legacy: object,
  members: readonly Member[],
  path: readonly string[] = [],
): string[] {
  const within = readableOwner(legacy, path);
  if (within === undefined) return [];
  const names = new Set(members.map((member) => member.path[path.length] ?? ''));
  const faults = methodNames(within)
    .filter((method) => !names.has(method))
    .map((method) => {
      const operations = path.length === 0 ? 'operations' : `sub({ … }) of ${path.join('.')}`;
      return (
        `${[...path, method].join('.')} is not declared: add ${method}: read(), read.rows(), write(), transaction(), control() ` +
        `or legacyOnly() to ${operations}, or undeclared: 'legacy' to leave all that is not named with the legacy leg`
      );
    });
  const inside = [...names].flatMap((name) => {
    const own = members.filter((member) => member.path[path.length] === name);
    const deeper = own.filter((member) => member.path.length > path.length + 1);
    return deeper.length === 0 ? [] : undeclaredIn(legacy, deeper, [...path, name]);
  });
  return [...faults, ...inside];
}

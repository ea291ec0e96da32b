import { knownNames } from '@changeover/core';
import { givenText, membersOf, WiringError } from './members.ts';
import type { OperationSpec } from './operations.ts';

/** What an option of a declaration may be, and how that is said to who gave something else. */
interface Allowed {
  readonly is: (value: unknown) => boolean;
  readonly text: string;
}

const aFunction: Allowed = { is: (value) => typeof value === 'function', text: 'a function' };
const aFlag: Allowed = { is: (value) => typeof value === 'boolean', text: 'true or false' };
const exactly = (only: string): Allowed => ({ is: (value) => value === only, text: `'${only}'` });
const aClassifier: Allowed = {
  is: (value) => typeof (value as { readonly classify?: unknown } | null)?.classify === 'function',
  text: 'an object with classify(sql), as changeover/statements makes it',
};
const anything: Allowed = { is: () => true, text: 'anything' };

const common = { callback: exactly('last'), shape: aFunction };

/** The options of each kind of declaration. */
const optionsOf: Readonly<Record<OperationSpec['kind'], Readonly<Record<string, Allowed>>>> = {
  read: {
    ...common,
    result: anything,
    compareAs: aFunction,
    functions: exactly('pure'),
    async: aFlag,
    ordered: {
      is: (value) => typeof value === 'boolean' || typeof value === 'function',
      text: 'true, false or a function',
    },
  },
  write: { ...common, rehearse: aFunction, observe: aFunction, exclusive: aFlag },
  transaction: common,
  control: {},
  statement: { ...common, classifier: aClassifier },
  legacyOnly: {},
  defined: { definition: anything },
  sub: { operations: anything },
};

/** How each kind is called where it is declared. */
const declaredAs: Partial<Record<OperationSpec['kind'], string>> = { statement: 'bySql' };

/** Options that a declaration can't do without. */
const needed: Partial<Record<OperationSpec['kind'], string>> = { statement: 'classifier' };

/** Names that the language asks every object for by itself. */
const notOperations: Readonly<Record<string, string>> = {
  then: 'an object with a method of that name is taken for a promise by whoever awaits it',
  constructor: 'it is the class',
  ['__proto__']: 'it is the prototype',
};

/** Checks that each operation is what `read()`, `write()` or one of the others made, with options that those have and under a name of
 * its own.
 *
 * @throws {WiringError} with what to type. */
export function checkOperations(operations: unknown): void {
  checkDeclared(operations, '');
  const names = membersOf(operations as Readonly<Record<string, OperationSpec>>).map(
    ({ operation }) => operation,
  );
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new WiringError(
      `Two operations are named ${twice}, one by sub({ … }) and one by a name with a dot in it, and flags and counts could not tell them ` +
        "apart: leave one out (undeclared: 'legacy' leaves its method with the legacy leg), or give its method a name without a dot.",
    );
}

function checkDeclared(operations: unknown, within: string): void {
  if (typeof operations !== 'object' || operations === null || Array.isArray(operations))
    throw new WiringError(
      within === ''
        ? 'The option operations says what each method is: { list: read.rows() }.'
        : `${within.slice(0, -1)}: sub(…) says what each method of that object is: sub({ list: read.rows() }).`,
    );
  for (const name of Reflect.ownKeys(operations)) {
    const spec = (operations as Readonly<Record<PropertyKey, unknown>>)[name];
    if (typeof name === 'symbol')
      throw new WiringError(
        `The operation ${within}${String(name)} is a symbol, and flags and counts know operations by their names: leave it out, and it is ` +
          'answered by the answering leg.',
      );
    checkOperation(`${within}${name}`, name, spec);
  }
}

function checkOperation(operation: string, name: string, spec: unknown): void {
  const { kind } = (spec ?? {}) as { readonly kind?: unknown };
  if (typeof kind !== 'string' || !Object.hasOwn(optionsOf, kind))
    throw new WiringError(
      `The operation ${operation} is declared as ${found(spec, kind)}: write ${name}: read(), ` +
        'read.rows(), write(), transaction(), control(), bySql(classifier), legacyOnly() or sub({ … }).',
    );
  const reason = Object.hasOwn(notOperations, name) ? notOperations[name] : undefined;
  if (reason !== undefined)
    throw new WiringError(`${operation} can't be an operation: ${reason}. Leave it out.`);
  checkOptions(operation, kind as OperationSpec['kind'], spec as Readonly<Record<string, unknown>>);
  if (kind !== 'sub') return;
  const { operations: inside } = spec as { readonly operations: unknown };
  checkDeclared(inside, `${operation}.`);
  if (Object.keys(inside as object).length === 0)
    throw new WiringError(
      `${operation}: sub({}) names no method of that object: name them, or leave ${name} out.`,
    );
}

function checkOptions(
  operation: string,
  kind: OperationSpec['kind'],
  spec: Readonly<Record<string, unknown>>,
): void {
  const options = optionsOf[kind];
  const declared = declaredAs[kind] ?? kind;
  for (const [option, value] of Object.entries(spec)) {
    if (option === 'kind' || value === undefined) continue;
    const allowed = Object.hasOwn(options, option) ? options[option] : undefined;
    if (allowed === undefined) {
      const names = Object.keys(options).filter((known) => options[known] !== anything);
      throw new WiringError(
        `${operation}: ${declared}(…) has no option ${option}: ${names.length === 0 ? 'it has none' : knownNames(option, names)}.`,
      );
    }
    if (!allowed.is(value))
      throw new WiringError(
        `${operation}: the option ${option} of ${declared}(…) is ${givenText(value)}: it must be ${allowed.text}.`,
      );
  }
  const missing = needed[kind];
  if (missing !== undefined && spec[missing] === undefined)
    throw new WiringError(
      `${operation}: ${declared}(…) needs a ${missing}: ${options[missing]?.text ?? ''}.`,
    );
}

function found(spec: unknown, kind: unknown): string {
  if (spec === null) return 'null';
  return typeof kind === 'string' ? `"${kind}"` : typeof spec;
}

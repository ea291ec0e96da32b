import { NoFileError, readSmallFile } from '../flags/read-small-file.ts';
import { stages } from '@changeover/core';
import {
  type Consequence,
  defaultGates,
  figureNames,
  type GateDefinition,
  type GateScope,
} from './default-gates.ts';
import { parseGate } from './gate-outcome.ts';

/** A gates file can't be used; the message says which one, where in it, what was found and what is allowed. */
export class GateFileError extends Error {
  override readonly name = 'GateFileError';
  readonly code = 'GATE_FILE';
}

export const gateScopes: readonly GateScope[] = [
  'shape',
  'key',
  'comparing-stage',
  'answering-stage',
  'stage',
  'backend',
  ...stages,
];
const consequences: readonly Consequence[] = ['inconclusive', 'hold', 'roll-back', 'by-stage'];
const gateKeys: readonly string[] = ['expression', 'title', 'ifMissed'];
const fileKeys: readonly string[] = ['$schema', 'gates'];
const maxGates = 200;

/**
 * The gates of a file, or the default ones where none is named.
 *
 * @throws {GateFileError}
 */
export function gatesIn(path: string | undefined): readonly GateDefinition[] {
  return path === undefined ? defaultGates : readGateFile(path);
}

/** It is read by programs while they answer calls. */
const maxFileBytes = 1024 * 1024;

/**
 * Reads the gates of a file: `{"gates": {"shadow": ["mismatch.upper < 0.1%", …], …}}`, lists of expressions by where
 * they are asked. They take the place of the default ones, but that the default gates of a shape hold where the file has none:
 * no file lets a key pass without comparisons by not naming them.
 *
 * @throws {GateFileError} where the file is missing or isn't one.
 */
function readGateFile(path: string): readonly GateDefinition[] {
  let text: string;
  try {
    text = readSmallFile(path, maxFileBytes);
  } catch (error) {
    const { message } = error as { message?: unknown };
    throw new GateFileError(
      error instanceof NoFileError
        ? `The gates file ${path} ${error.message}`
        : `The gates file ${path} can't be read: ${String(message)}`,
    );
  }
  return parseGates(text, path);
}

/**
 * @param name what the messages call the text.
 * @throws {GateFileError} for what is no list of gates.
 */
export function parseGates(text: string, name: string): readonly GateDefinition[] {
  const refuse = (message: string, near?: string): never => {
    throw new GateFileError(`${name}${lineOf(text, near)}: ${message}`);
  };
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    return refuse(`this is no JSON: ${String((error as { message?: unknown }).message)}`);
  }
  if (!isObject(file)) return refuse('an object with "gates" is expected');
  checkKeys(file, fileKeys, refuse);
  const lists = file['gates'];
  if (!isObject(lists))
    return refuse(
      `"gates" must be an object of lists by where they are asked: ${gateScopes.join(', ')}`,
      'gates',
    );
  const definitions = Object.entries(lists).flatMap(([scopeName, list]) => {
    const scope = gateScopes.find((one) => one === scopeName);
    if (scope === undefined) {
      return refuse(
        `gates can't be asked at ${JSON.stringify(scopeName)}; allowed: ${gateScopes.join(', ')}`,
        scopeName,
      );
    }
    if (!Array.isArray(list)) return refuse(`"${scope}" must be a list of expressions`, scope);
    return list.map((gate: unknown) => gateOf(gate, scope, refuse));
  });
  if (definitions.length === 0)
    return refuse('there is no gate in it, so nothing could ever pass', 'gates');
  if (definitions.length > maxGates)
    return refuse(`${String(definitions.length)} gates are more than ${String(maxGates)}`);
  return Object.freeze(definitions);
}

type Refuse = (message: string, near?: string) => never;

function gateOf(gate: unknown, scope: GateScope, refuse: Refuse): GateDefinition {
  const given = typeof gate === 'string' ? { expression: gate } : gate;
  if (!isObject(given)) {
    return refuse(
      `a gate of "${scope}" must be an expression or an object with one, not ${JSON.stringify(gate)}`,
      scope,
    );
  }
  const { expression, title = expression, ifMissed = 'hold' } = given;
  if (typeof expression !== 'string')
    return refuse(
      `a gate of "${scope}" has no "expression", a text as "mismatch.upper < 0.1%"`,
      scope,
    );
  checkKeys(given, gateKeys, refuse, expression);
  if (typeof title !== 'string' || title === '')
    return refuse(`the "title" of ${JSON.stringify(expression)} must be a text`, expression);
  const consequence = consequences.find((one) => one === ifMissed);
  if (consequence === undefined) {
    return refuse(
      `the "ifMissed" of ${JSON.stringify(expression)} is ${JSON.stringify(ifMissed)}; allowed: ` +
        consequences.join(', '),
      expression,
    );
  }
  try {
    parseGate(expression, figureNames);
  } catch (error) {
    return refuse(String((error as { message?: unknown }).message), expression);
  }
  return Object.freeze({ expression, scope, title, ifMissed: consequence });
}

function checkKeys(
  object: Readonly<Record<string, unknown>>,
  known: readonly string[],
  refuse: Refuse,
  near?: string,
): void {
  const strange = Object.keys(object).find((key) => !known.includes(key));
  if (strange !== undefined)
    refuse(`there is no ${JSON.stringify(strange)}; allowed: ${known.join(', ')}`, near ?? strange);
}

/** Where a text stands in the file, as ", line 3"; empty where that can't be told. */
function lineOf(text: string, near: string | undefined): string {
  const at = near === undefined ? -1 : text.indexOf(JSON.stringify(near));
  return at < 0 ? '' : `, line ${String(text.slice(0, at).split('\n').length)}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

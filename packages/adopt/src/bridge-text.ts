import type { SourceFile } from 'ts-morph';
import type { Edit } from './edits.ts';
import type { Singleton } from './find-singleton.ts';
import type { Operation } from './infer-kind.ts';
import type { TextStyle } from './text-style.ts';

/** What a bridge is written from. */
export interface BridgePlan {
  readonly file: SourceFile;
  readonly singleton: Singleton;
  readonly operations: readonly Operation[];
  readonly name: string;
  readonly style: TextStyle;
}

/** What was written. */
export interface WrittenBridge {
  readonly edits: readonly Edit[];
  /** What a person must look at, beside the operations. */
  readonly todos: readonly string[];
  /** What is to be known, and nothing is to be done about in the file. */
  readonly notes?: readonly string[];
}

/** What {@link createBridgeText} is written from. */
export interface BridgeParts {
  /** That of the line where it begins. */
  readonly indent: string;
  readonly legacy: string;
  readonly pooled: string;
  readonly pooledTodo: string;
  readonly hasOthers: boolean;
}

/** `createBridge({ … })`, as a person would write it. */
export function createBridgeText(
  { name, operations, style }: BridgePlan,
  { indent, legacy, pooled, pooledTodo, hasOthers }: BridgeParts,
): string {
  const { quote: q, indent: step } = style;
  const inner = indent + step;
  const declared = operations.flatMap(({ name: method, declared: code, todo }) => [
    ...(todo === undefined ? [] : [`${inner}${step}// TODO: ${todo}`]),
    `${inner}${step}${propertyName(method, q)}: ${code.replaceAll("'", q)},`,
  ]);
  return [
    'createBridge({',
    `${inner}name: ${q}${name}${q},`,
    `${inner}legacy: ${legacy},`,
    `${inner}// TODO: ${pooledTodo}`,
    `${inner}pooled: ${pooled},`,
    `${inner}operations: {`,
    ...declared,
    `${inner}},`,
    ...(hasOthers
      ? [
          `${inner}// What is not named above stays where it is, as what is private does.`,
          `${inner}undeclared: ${q}legacy${q},`,
        ]
      : []),
    `${indent}})`,
  ].join('\n');
}

function propertyName(name: string, quote: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : `${quote}${name}${quote}`;
}

import { Node, SyntaxKind } from 'ts-morph';
import { type BridgePlan, createBridgeText, type WrittenBridge } from './bridge-text.ts';
import { opensItself, type Singleton, targetOf } from './find-singleton.ts';
import { importEdit } from './write-import.ts';
import { functionEdits, objectEdits } from './write-module-bridge.ts';
import { wrapHandle } from './wrap-handle.ts';

/** Writes the bridge of what a module hands out. */
export function writeBridge(plan: BridgePlan): WrittenBridge {
  const { singleton } = plan;
  switch (singleton.shape) {
    case 'handle':
      return bridgeHandles(plan, singleton);
    case 'instance':
      return bridgeInstance(plan, singleton);
    case 'object':
      return withImport(plan, objectEdits(plan, singleton));
    case 'functions':
      return withImport(plan, functionEdits(plan, singleton));
  }
}

function bridgeHandles(
  plan: BridgePlan,
  { handles }: Extract<Singleton, { shape: 'handle' }>,
): WrittenBridge {
  const { file, style, name } = plan;
  const names = namesOfHandles(
    name,
    handles.map(({ creation }) => propertyOf(creation) ?? targetOf(creation)),
  );
  const wrapped = handles.map((handle, at) => wrapHandle(handle, names[at] ?? name, style));
  const imports = new Map<string, Set<string>>();
  for (const { module, imported } of wrapped)
    imports.set(module, (imports.get(module) ?? new Set()).add(imported));
  return {
    edits: [
      importEdit(
        file,
        style,
        [...imports].map(([module, imported]) => ({ module, names: [...imported] })),
      ),
      ...wrapped.flatMap(({ edits }) => edits),
    ],
    todos: wrapped.flatMap(({ todos }) => todos),
    notes: wrapped.flatMap(({ notes = [] }) => notes),
  };
}

/** `{ main: new Database(file) }`: what a handle is called in an object. */
function propertyOf(creation: Node): string | undefined {
  const parent = creation.getParent();
  return Node.isPropertyAssignment(parent) ? parent.getName() : undefined;
}

/** Handles of one variable are one bridge; a second variable is another, for the same keys have other stages there. */
function namesOfHandles(name: string, targets: readonly (string | undefined)[]): string[] {
  const [first] = targets;
  return targets.map((target) =>
    target === undefined || target === first ? name : `${name}-${target.replaceAll(/\W/g, '')}`,
  );
}

function bridgeInstance(
  plan: BridgePlan,
  { creation, members }: Extract<Singleton, { shape: 'instance' }>,
): WrittenBridge {
  const text = creation.getText();
  const waits = creation.getDescendantsOfKind(SyntaxKind.AwaitExpression).length > 0;
  const begin = waits ? 'async () =>' : '() =>';
  const pooled = pooledInstance(plan, text);
  const bridge = createBridgeText(plan, {
    indent: indentAt(creation),
    legacy: `${begin} ${text}`,
    pooled: pooled.code === undefined ? refusing(plan) : `${begin} ${pooled.code}`,
    pooledTodo: pooled.todo,
    hasOthers: members.hasOthers,
  });
  return withImport(plan, {
    edits: [{ start: creation.getStart(), end: creation.getEnd(), text: bridge }],
    todos: [pooled.todo],
  });
}

/** A second instance stands in for the pooled leg until there is one, if it has a connection to the same data. */
function pooledInstance(
  { singleton }: BridgePlan,
  text: string,
): { readonly code: string | undefined; readonly todo: string } {
  if (singleton.shape !== 'instance') throw new RangeError('That is no instance.');
  const { owner } = singleton;
  const legacyOnly = 'so every call stays with the legacy leg until there is one.';
  if (/:memory:/.test(owner.getText() + text))
    return {
      code: undefined,
      todo: `the pooled leg. A second instance has data of its own, ${legacyOnly}`,
    };
  if (!opensItself(owner))
    return {
      code: undefined,
      todo: `the pooled leg. This class opens no connection to make a second one with, ${legacyOnly}`,
    };
  return {
    code: text,
    todo: 'this is a second instance with a connection of its own. Put the pool here.',
  };
}

function refusing({ style: { quote } }: BridgePlan): string {
  return `() => Promise.reject(new Error(${quote}There is no pooled leg yet.${quote}))`;
}

function withImport(plan: BridgePlan, { edits, todos }: WrittenBridge): WrittenBridge {
  const kinds = new Set(['createBridge']);
  for (const { declared } of plan.operations) kinds.add(/^\w+/.exec(declared)?.[0] ?? 'read');
  const names = [...kinds].sort();
  return {
    edits: [importEdit(plan.file, plan.style, [{ module: 'changeover', names }]), ...edits],
    todos,
  };
}

/** The white space that a node's line begins with. */
function indentAt(node: Node): string {
  const text = node.getSourceFile().getFullText();
  const line = text.lastIndexOf('\n', node.getStart() - 1) + 1;
  return /^[\t ]*/.exec(text.slice(line))?.[0] ?? '';
}

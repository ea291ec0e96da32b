import { Node, type SourceFile, SyntaxKind } from 'ts-morph';
import type { Edit } from './edits.ts';
import { commonJsExports, type Singleton } from './find-singleton.ts';
import { type BridgePlan, createBridgeText, type WrittenBridge } from './bridge-text.ts';

const sameLeg = (what: string): string =>
  `these are the same ${what}, on the same connection: comparing them proves nothing. Put the pool here.`;

/** Leaves an object as it is under another name, and puts the bridge in its place. */
export function objectEdits(
  plan: BridgePlan,
  { literal, holder, members }: Extract<Singleton, { shape: 'object' }>,
): WrittenBridge {
  const { file, style } = plan;
  const todo = sameLeg('methods');
  const isVariable = Node.isVariableDeclaration(holder);
  const exported = isVariable ? holder.getName() : undefined;
  const legacy = freeName(
    file,
    exported === undefined ? 'legacyObject' : `legacy${upperFirst(exported)}`,
  );
  const bridge = createBridgeText(plan, {
    indent: '',
    legacy: `() => ${legacy}`,
    pooled: `() => ${legacy}`,
    pooledTodo: todo,
    hasOthers: members.hasOthers,
  });
  const end = endOfStatement(holder);
  const append = (text: string): Edit => ({
    start: end,
    end,
    text: `\n\n${text}${bridge}${style.semicolon}`,
  });
  const todos = [todo];
  if (Node.isVariableDeclaration(holder)) {
    const statement = holder.getVariableStatement();
    const keyword = statement?.getExportKeyword();
    const type = holder.getTypeNode()?.getText();
    const own = literal
      .getDescendantsOfKind(SyntaxKind.Identifier)
      .filter(
        (one) => one.getText() === holder.getName() && one.getSymbol() === holder.getSymbol(),
      );
    return {
      todos,
      edits: [
        ...(keyword === undefined
          ? []
          : [{ start: keyword.getStart(), end: afterSpace(file, keyword.getEnd()), text: '' }]),
        rename(holder.getNameNode(), legacy),
        // Its methods call each other on their own leg, as those of a class do.
        ...own.map((one) => rename(one, legacy)),
        append(
          `${keyword === undefined ? '' : 'export '}const ${holder.getName()}${type === undefined ? '' : `: ${type}`} = `,
        ),
      ],
    };
  }
  const value = Node.isExportAssignment(holder) ? holder.getExpression() : holder.getRight();
  const before = file.getFullText().slice(holder.getStart(), value.getStart());
  return {
    todos,
    edits: [
      { start: holder.getStart(), end: value.getStart(), text: `const ${legacy} = ` },
      append(before.replace(/\s*$/, ' ')),
    ],
  };
}

/** Leaves functions as they are, and exports the bridge's under their names. */
export function functionEdits(
  plan: BridgePlan,
  { module, members }: Extract<Singleton, { shape: 'functions' }>,
): WrittenBridge {
  const todo = sameLeg('functions');
  if (module === 'commonjs') return { edits: commonJsEdits(plan, todo), todos: [todo] };
  const { file, style } = plan;
  const names = members.methods.map(({ name }) => name);
  const legacy = freeName(file, 'legacyFunctions');
  const bridge = freeName(file, 'bridge');
  const bridged = new Map(
    names.map((name) => [name, freeName(file, `bridged${upperFirst(name)}`)]),
  );
  const list = listed(names, style.indent);
  const aliases = [...bridged];
  const named = new Set<string>();
  const edits: Edit[] = [];
  for (const declaration of file.getExportDeclarations()) {
    if (declaration.hasModuleSpecifier()) continue;
    for (const one of declaration.getNamedExports()) {
      const alias = bridged.get(one.getName());
      if (alias === undefined) continue;
      named.add(one.getName());
      const outside = one.getAliasNode()?.getText() ?? one.getName();
      edits.push({
        start: one.getNameNode().getStart(),
        end: one.getEnd(),
        text: `${alias} as ${outside}`,
      });
    }
  }
  for (const { node, name } of members.methods)
    if (!named.has(name)) edits.push(...withoutExport(file, node));
  const own = aliases.filter(([name]) => !named.has(name));
  const text = [
    `const ${legacy} = ${list};`,
    `const ${bridge} = ${createBridgeText(plan, {
      indent: '',
      legacy: `() => ${legacy}`,
      pooled: `() => ${legacy}`,
      pooledTodo: todo,
      hasOthers: false,
    })};`,
    `const ${listed(
      aliases.map(([name, alias]) => `${name}: ${alias}`),
      style.indent,
    )} = ${bridge};`,
    ...(own.length === 0
      ? []
      : [
          '',
          `export ${listed(
            own.map(([name, alias]) => `${alias} as ${name}`),
            style.indent,
          )};`,
        ]),
  ];
  const end = file.getFullText().trimEnd().length;
  edits.push({
    start: end,
    end,
    text: `\n\n${text.join('\n').replaceAll(/;$/gm, style.semicolon)}`,
  });
  return { edits, todos: [todo] };
}

/** `exports.list = …` and the like stay as they are; what requires the module gets the bridge. */
function commonJsEdits(plan: BridgePlan, todo: string): Edit[] {
  const { file, style } = plan;
  const legacy = freeName(file, 'legacyFunctions');
  const last = commonJsExports(file).at(-1);
  const end =
    last === undefined ? file.getFullText().trimEnd().length : endOfStatement(last.statement);
  const bridge = createBridgeText(plan, {
    indent: '',
    legacy: `() => ${legacy}`,
    pooled: `() => ${legacy}`,
    pooledTodo: todo,
    hasOthers: false,
  });
  const text = `\n\nconst ${legacy} = module.exports;\nmodule.exports = ${bridge};`;
  return [{ start: end, end, text: text.replaceAll(/;$/gm, style.semicolon) }];
}

/** Takes `export` from a function, with all its overloads, or from the statement of a constant. */
function withoutExport(file: SourceFile, node: Node): Edit[] {
  const holders = Node.isFunctionDeclaration(node)
    ? [node, ...node.getOverloads()]
    : [node.getFirstAncestorByKind(SyntaxKind.VariableStatement)];
  return holders.flatMap((one) => {
    const keyword = one?.getExportKeyword();
    return keyword === undefined
      ? []
      : [{ start: keyword.getStart(), end: afterSpace(file, keyword.getEnd()), text: '' }];
  });
}

function listed(parts: readonly string[], indent: string): string {
  const line = `{ ${parts.join(', ')} }`;
  return line.length <= 80 ? line : `{\n${parts.map((one) => `${indent}${one},\n`).join('')}}`;
}

/** A name that the file does not use. */
function freeName(file: SourceFile, wanted: string): string {
  const text = file.getFullText();
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? wanted : `${wanted}${String(count)}`;
    if (!new RegExp(`\\b${name.replaceAll('$', '\\$')}\\b`).test(text)) return name;
  }
}

function upperFirst(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

function rename(node: Node, name: string): Edit {
  const parent = node.getParent();
  const isShort = Node.isShorthandPropertyAssignment(parent);
  return {
    start: node.getStart(),
    end: node.getEnd(),
    text: isShort ? `${node.getText()}: ${name}` : name,
  };
}

function afterSpace(file: SourceFile, position: number): number {
  return position + (/^\s*/.exec(file.getFullText().slice(position))?.[0].length ?? 0);
}

/** Behind the semicolon of the statement that a node is in. */
function endOfStatement(node: Node): number {
  const statement = Node.isStatement(node)
    ? node
    : node.getFirstAncestor((one) => Node.isStatement(one));
  return (statement ?? node).getEnd();
}

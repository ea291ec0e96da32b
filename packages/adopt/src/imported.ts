import { type Expression, Node, type SourceFile, SyntaxKind } from 'ts-morph';

/** What a name in a file was imported as: from which module, and by what name there (`default`, `*` for the whole). */
export interface Imported {
  readonly module: string;
  readonly name: string;
}

/** All that a file imports or requires, by the names that it has there. */
export function importsOf(file: SourceFile): ReadonlyMap<string, Imported> {
  const found = new Map<string, Imported>();
  for (const declaration of file.getImportDeclarations()) {
    const module = declaration.getModuleSpecifierValue();
    const [whole, all] = [declaration.getDefaultImport(), declaration.getNamespaceImport()];
    if (whole !== undefined) found.set(whole.getText(), { module, name: 'default' });
    if (all !== undefined) found.set(all.getText(), { module, name: '*' });
    for (const one of declaration.getNamedImports())
      found.set(one.getAliasNode()?.getText() ?? one.getName(), { module, name: one.getName() });
  }
  for (const equals of file.getDescendantsOfKind(SyntaxKind.ImportEqualsDeclaration)) {
    const module = /require\((['"])(.*?)\1\)/.exec(equals.getText())?.[2];
    if (module !== undefined) found.set(equals.getName(), { module, name: 'default' });
  }
  // What is loaded at first use is put in a variable that was there.
  for (const assigned of file.getDescendantsOfKind(SyntaxKind.BinaryExpression)) {
    const name = assigned.getLeft();
    if (
      !Node.isIdentifier(name) ||
      !/^(?:\?\?|\|\|)?=$/.test(assigned.getOperatorToken().getText())
    )
      continue;
    const from = requiredBy(assigned.getRight());
    if (from !== undefined) found.set(name.getText(), from);
  }
  for (const declaration of file.getDescendantsOfKind(SyntaxKind.VariableDeclaration)) {
    const initializer = declaration.getInitializer();
    // `const { Pool } = pg` takes from what was imported.
    const from = initializer === undefined ? undefined : importedAs(initializer, found);
    if (from === undefined) continue;
    const name = declaration.getNameNode();
    if (Node.isIdentifier(name)) found.set(name.getText(), from);
    if (Node.isObjectBindingPattern(name))
      for (const element of name.getElements())
        found.set(element.getName(), {
          module: from.module,
          name: element.getPropertyNameNode()?.getText() ?? element.getName(),
        });
  }
  return found;
}

/** `require('m')`, `require('m').Name`, and what awaits a module, with or without `.default`. */
function requiredBy(expression: Expression): Imported | undefined {
  if (Node.isPropertyAccessExpression(expression)) {
    const whole = requiredBy(expression.getExpression());
    return whole === undefined || !isWhole(whole)
      ? undefined
      : { ...whole, name: expression.getName() };
  }
  if (Node.isParenthesizedExpression(expression)) return requiredBy(expression.getExpression());
  const isAwaited = Node.isAwaitExpression(expression);
  const call = isAwaited ? expression.getExpression() : expression;
  if (!Node.isCallExpression(call)) return undefined;
  if (call.getExpression().getText() !== (isAwaited ? 'import' : 'require')) return undefined;
  const [specifier] = call.getArguments();
  return Node.isStringLiteral(specifier)
    ? { module: specifier.getLiteralValue(), name: isAwaited ? '*' : 'default' }
    : undefined;
}

function isWhole({ name }: Imported): boolean {
  return name === 'default' || name === '*';
}

/** What an expression such as `pg.Client` names, if it was imported. */
export function importedAs(
  expression: Expression,
  imports: ReadonlyMap<string, Imported>,
): Imported | undefined {
  if (Node.isIdentifier(expression)) return imports.get(expression.getText());
  if (Node.isPropertyAccessExpression(expression)) {
    const whole = importedAs(expression.getExpression(), imports);
    return whole !== undefined && isWhole(whole)
      ? { module: whole.module, name: expression.getName() }
      : undefined;
  }
  return requiredBy(expression);
}

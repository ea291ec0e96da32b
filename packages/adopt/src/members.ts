import {
  type ArrowFunction,
  type ClassDeclaration,
  type ClassExpression,
  type FunctionDeclaration,
  type FunctionExpression,
  type MethodDeclaration,
  Node,
  type ObjectLiteralExpression,
  type ParameterDeclaration,
  Scope,
} from 'ts-morph';

export type AnyClass = ClassDeclaration | ClassExpression;
export type AnyFunction =
  FunctionDeclaration | FunctionExpression | ArrowFunction | MethodDeclaration;

/** A method or function that callers of the singleton can call. */
export interface Member {
  readonly name: string;
  readonly node: AnyFunction;
  readonly body: Node | undefined;
  readonly parameters: readonly ParameterDeclaration[];
  /** Where the name stands, by which callers are found. */
  readonly nameNode: Node;
}

/** What an object has, as far as its declaration shows. */
export interface Members {
  readonly methods: readonly Member[];
  /** Getters and properties: nothing is declared for them. */
  readonly properties: readonly string[];
  /** True where it has methods that can't be declared: private ones, those of a class that is not in the project. */
  readonly hasOthers: boolean;
}

export function memberOf(name: string, node: AnyFunction, nameNode: Node): Member {
  return { name, node, body: node.getBody(), parameters: node.getParameters(), nameNode };
}

/** The methods of a class's instances, those of the project's classes that it extends included. */
export function membersOfClass(declaration: AnyClass): Members {
  const methods = new Map<string, Member>();
  const properties = new Set<string>();
  let hasOthers = false;
  for (
    let owner: AnyClass | undefined = declaration;
    owner !== undefined;
    owner = owner.getBaseClass()
  ) {
    for (const method of owner.getInstanceMethods()) {
      const name = method.getName();
      if (name.startsWith('#') || Node.isComputedPropertyName(method.getNameNode())) continue;
      if (method.getScope() !== Scope.Public || name.startsWith('_')) hasOthers = true;
      else if (!methods.has(name)) methods.set(name, memberOf(name, method, method.getNameNode()));
    }
    for (const property of owner.getInstanceProperties()) {
      const name = property.getName();
      if (name.startsWith('#')) continue;
      const hidden = 'getScope' in property && property.getScope() !== Scope.Public;
      const initializer = Node.isPropertyDeclaration(property)
        ? property.getInitializer()
        : undefined;
      if (isFunction(initializer)) {
        if (hidden || name.startsWith('_')) hasOthers = true;
        else if (!methods.has(name))
          methods.set(
            name,
            memberOf(
              name,
              initializer,
              Node.isPropertyDeclaration(property) ? property.getNameNode() : property,
            ),
          );
      } else if (!hidden) properties.add(name);
    }
    if (owner.getExtends() !== undefined && owner.getBaseClass() === undefined) hasOthers = true;
  }
  return { methods: [...methods.values()], properties: [...properties], hasOthers };
}

/** The methods of an object as it is written, functions of the module that it names included. */
export function membersOfLiteral(literal: ObjectLiteralExpression): Members {
  const methods: Member[] = [];
  const properties: string[] = [];
  let hasOthers = false;
  for (const property of literal.getProperties()) {
    if (Node.isMethodDeclaration(property)) {
      if (property.getName().startsWith('_')) hasOthers = true;
      else methods.push(memberOf(property.getName(), property, property.getNameNode()));
    } else if (Node.isPropertyAssignment(property)) {
      const initializer = property.getInitializer();
      const value = isFunction(initializer) ? initializer : functionNamed(initializer);
      if (value !== undefined)
        methods.push(memberOf(property.getName(), value, property.getNameNode()));
      else properties.push(property.getName());
    } else if (Node.isShorthandPropertyAssignment(property)) {
      const value = functionNamed(property.getNameNode());
      if (value !== undefined)
        methods.push(memberOf(property.getName(), value, property.getNameNode()));
      else properties.push(property.getName());
    } else if (Node.isSpreadAssignment(property)) hasOthers = true;
    else properties.push(property.getName());
  }
  return { methods, properties, hasOthers };
}

export function isFunction(node: Node | undefined): node is ArrowFunction | FunctionExpression {
  return Node.isArrowFunction(node) || Node.isFunctionExpression(node);
}

/** The function of the project that an identifier names. */
function functionNamed(node: Node | undefined): AnyFunction | undefined {
  if (!Node.isIdentifier(node)) return undefined;
  for (const declaration of node.getDefinitionNodes()) {
    if (declaration.getSourceFile().isDeclarationFile()) continue;
    if (Node.isFunctionDeclaration(declaration)) return declaration;
    if (Node.isVariableDeclaration(declaration)) {
      const initializer = declaration.getInitializer();
      if (isFunction(initializer)) return initializer;
    }
  }
  return undefined;
}

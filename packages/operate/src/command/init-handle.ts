/** One thing that a wiring imports, as in `import { createBridge } from 'changeover'`. */
export interface WiringImport {
  /** The module's default export under this name, or the names of a few exports. */
  readonly names: string | readonly string[];
  readonly from: string;
}

/** What a wiring is written by. */
export interface WiringSubject {
  readonly name: string;
  /** The bridge's name as a variable's. */
  readonly variable: string;
  readonly typescript: boolean;
  /** The packages that package.json names. */
  readonly found: ReadonlySet<string>;
}

/** A handle that `changeover init` knows how to wire. */
export interface InitHandle {
  /** The package by which it is found in package.json; undefined for the one that is left where none is found. */
  readonly packageName: string | undefined;
  /** The bridge's name where none is typed. */
  readonly name: string;
  /** What takes whose place, for people. */
  readonly title: string;
  /** What the program goes on using, as in "import db from there in place of your client". */
  readonly next: string;
  /** Packages that the wiring needs beside the handle's own, by what package.json names. */
  readonly needs: (found: ReadonlySet<string>) => readonly string[];
  readonly imports: (found: ReadonlySet<string>) => readonly WiringImport[];
  /** The lines after the imports. One `export const NAME = ` is made a CommonJS export where the project is CommonJS. */
  readonly body: (wiring: WiringSubject) => string;
}

/** Where nothing else is found: a singleton of the program's own. It runs as it stands, to be replaced piece by piece. */
export const ownSingleton: InitHandle = {
  packageName: undefined,
  name: 'notes',
  title: 'createBridge stands in for a singleton of your own',
  next: "put your singleton in the class's place, declare its methods, and import the bridge where the singleton was imported",
  needs: () => [],
  imports: () => [{ names: ['control', 'createBridge', 'read', 'write'], from: 'changeover' }],
  body: ({
    name,
    variable,
    typescript,
  }) => `// Put your singleton here: a class, a module of functions, a client that is made once.
const store = new Map${typescript ? '<string, string[]>' : ''}();
class Notes {
  list(notebook${typescript ? ': string' : ''})${typescript ? ': Promise<string[]>' : ''} {
    return Promise.resolve(store.get(notebook) ?? []);
  }
  add(notebook${typescript ? ': string' : ''}, text${typescript ? ': string' : ''})${typescript ? ': Promise<void>' : ''} {
    store.set(notebook, [...(store.get(notebook) ?? []), text]);
    return Promise.resolve();
  }
  close() {}
}
const singleton = new Notes();

export const ${variable} = createBridge({
  name: '${name}', // the flag is changeover.${name}
  legacy: () => singleton,
  pooled: () => new Notes(), // what is to take its place, on the same store
  operations: {
    list: read(), // read.rows() for a list of rows
    add: write(), // made once, whatever the stage
    close: control(), // on both legs
  },
  key: { list: (notebook) => notebook, add: (notebook) => notebook }, // each notebook moves by itself
});
`,
};

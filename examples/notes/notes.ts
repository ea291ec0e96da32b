/** A note in a notebook. */
export interface Note {
  readonly id: number;
  readonly text: string;
}

/** Where the notes are: both legs work on the same store, as they would on one database. */
const store = new Map<string, Note[]>();

/** The singleton as it was before. */
export class Notes {
  static #instance: Notes | undefined;

  static getInstance(): Notes {
    return (this.#instance ??= new Notes());
  }

  async list(notebook: string): Promise<Note[]> {
    return (store.get(notebook) ?? []).map((note) => ({ ...note }));
  }

  async add(notebook: string, text: string): Promise<number> {
    const notes = store.get(notebook) ?? [];
    store.set(notebook, notes);
    return notes.push({ id: notes.length + 1, text });
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

/** What takes its place, with no state of its own. */
export function createPooledNotes(): Pick<Notes, 'list' | 'add' | 'close'> {
  return {
    list: async (notebook) => structuredClone(store.get(notebook) ?? []),
    async add(notebook, text) {
      const notes = store.get(notebook) ?? [];
      store.set(notebook, notes);
      return notes.push({ id: notes.length + 1, text });
    },
    close: async () => undefined,
  };
}

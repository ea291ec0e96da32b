import { control, createBridge, read, write } from 'changeover';
import { createPooledNotes, Notes } from './notes.ts';

/** What the program imports in place of `Notes.getInstance()`. Each notebook moves by itself. */
export const notes: Notes = createBridge({
  name: 'notes',
  legacy: () => Notes.getInstance(),
  pooled: () => createPooledNotes(),
  operations: { list: read.rows(), add: write(), close: control() },
  key: { list: (notebook) => notebook, add: (notebook) => notebook },
});

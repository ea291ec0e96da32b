// A bridge of somebody's own, without a driver.
import { bridgeOf, createBridge, createStaticStageSource, read, write } from 'changeover';

class Notes {
  #notes = [];
  list() {
    return [...this.#notes];
  }
  add(note) {
    this.#notes.push(note);
  }
}
const real = new Notes();
const notes = createBridge({
  name: 'notes',
  legacy: () => real,
  pooled: () => real,
  operations: { list: read(), add: write() },
  stages: createStaticStageSource({ notes: 'shadow' }),
  storePath: './notes.sqlite',
});
notes.add('buy film');
console.log(JSON.stringify(notes.list()));
await bridgeOf(notes).close();

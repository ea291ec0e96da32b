import { ItemStore } from './store.ts';
const store = ItemStore.getInstance();
store.add('film');
console.log(JSON.stringify(store.all()), store.size);
store.close();

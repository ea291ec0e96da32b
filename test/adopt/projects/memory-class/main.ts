import counter from './counter.ts';

console.log(counter.add(1).add(2).total());

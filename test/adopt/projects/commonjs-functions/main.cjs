const queue = require('./queue.cjs');

queue.add('film', (error, changes) => {
  queue.find('film', (failure, row) => console.log(error, failure, changes, row.name, queue.limit));
});

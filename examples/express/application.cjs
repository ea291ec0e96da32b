'use strict';

const express = require('express');
const db = require('./database.cjs');

/** The program: orders over HTTP, each request with statements of its own on the one client. It knows of no bridge. */
const application = express();
application.use(express.json());

application.post('/orders', async (request, response, next) => {
  try {
    const { reference, item } = request.body;
    const { rows } = await db.query(
      'insert into changeover_example_orders (reference, item) values ($1, $2) returning number, reference, item',
      [reference, item],
    );
    response.status(201).json(rows[0]);
  } catch (error) {
    next(error);
  }
});

application.get('/orders/:reference', async (request, response, next) => {
  try {
    const { rows } = await db.query(
      'select number, reference, item from changeover_example_orders where reference = $1 order by number',
      [request.params.reference],
    );
    response.status(rows.length === 0 ? 404 : 200).json(rows);
  } catch (error) {
    next(error);
  }
});

application.get('/items', async (_request, response, next) => {
  try {
    const { rows } = await db.query(
      'select item, count(*) as orders from changeover_example_orders group by item order by item',
    );
    response.json(rows);
  } catch (error) {
    next(error);
  }
});

// Express knows an error's handler by its four parameters.
application.use((error, _request, response, _next) => {
  response.status(500).json({ error: String(error) });
});

module.exports = application;

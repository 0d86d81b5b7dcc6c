'use strict';
// Gives the program a token of its own and, where CUSTOMERS names a file, customers to read.
const fs = require('fs');

const CUSTOMER = 'api::customer.customer';

module.exports = {
  register() {},
  async bootstrap({ strapi }) {
    const tokens = strapi.service('admin::api-token');
    if (!(await tokens.exists({ name: 'expert-hub' }))) {
      const made = await tokens.create({ name: 'expert-hub', description: '', type: 'full-access', lifespan: null });
      fs.writeFileSync(process.env.TOKEN_FILE, made.accessKey);
    }
    if (process.env.CUSTOMERS && (await strapi.db.query(CUSTOMER).count()) === 0) {
      for (const data of JSON.parse(fs.readFileSync(process.env.CUSTOMERS, 'utf8')))
        await strapi.documents(CUSTOMER).create({ data });
    }
  },
};

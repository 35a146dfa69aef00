/** The store on any database: its domains put together. */

import { createAuthorizations } from './authorizations.ts';
import { createCertificates } from './certificates.ts';
import type { Database } from './database.ts';
import { createDemands } from './demands.ts';
import { createNodes } from './nodes.ts';
import { createRevocationLists } from './revocation-lists.ts';
import { createRetention } from './retention.ts';
import { createRevocations } from './revocations.ts';
import { createAudit } from './audit.ts';
import { createReloads } from './reloads.ts';
import { createStatistics } from './statistics.ts';
import type { Store } from './store.ts';
import { createTrust } from './trust.ts';
import { createUsers } from './users.ts';

export function createStore(database: Database): Store {
	return {
		...createNodes(database),
		...createAuthorizations(database),
		...createCertificates(database),
		...createRevocations(database),
		...createDemands(database),
		...createRevocationLists(database),
		...createTrust(database),
		...createReloads(database),
		...createAudit(database),
		...createRetention(database),
		...createUsers(database),
		...createStatistics(database),
		async check() {
			const changed = await database.transaction((sql) => sql.run(`UPDATE counters SET value = value + 1 WHERE name = 'health'`));
			if (changed !== 1) throw new Error('the database has lost its counters');
		},
		close: () => database.close(),
	};
}

/**
 * Services whose tasks may have identities, as they were judged when they were created or updated.
 * Tasks are made inside the engine, later, and also of the specification before the last one (a
 * rollback, a task that is restarted in the middle of an update), so the last few are kept.
 */

import type { DatabaseSync } from 'node:sqlite';
import type { AgentMode, AgentSettings } from '#common/protocol/agent-file.ts';
import type { ContainerFacts } from '#common/policy/request.ts';
import type { Names, WorkloadProfile } from '#common/protocol/messages.ts';

/** One specification of a service, as far as its tasks are compared with it. */
export interface ServiceSpec {
	/** who asked for it, and what policy was told */
	readonly caller: string;
	readonly facts: ContainerFacts;
	/** every `birthmark.*` label of its containers, sorted */
	readonly labels: ReadonlyArray<readonly [name: string, value: string]>;
	/** of `birthmark.cn=auto` those of one task: each has its own common name */
	readonly names: Names;
	readonly isAuto?: true;
	readonly profile?: WorkloadProfile;
	readonly lifetimeSeconds?: number;
	/** as it was written, and `sha256:…` of what was decided on */
	readonly image: string;
	readonly imageId: string;
	readonly uid: number;
	readonly gid: number;
	readonly mode: number;
	readonly sizeBytes: number;
	readonly inodes: number;
	readonly caWay: 'relay' | 'network';
	readonly agentMode?: AgentMode;
	/** none in a record of an earlier version */
	readonly settings?: AgentSettings;
}

/** Of each service; all of them were permitted. */
const KEPT_SPECS = 8;

export class ServiceRecords {
	readonly #database: DatabaseSync;

	constructor(database: DatabaseSync) {
		this.#database = database;
	}

	/** The newest of this service from now on. */
	add(serviceId: string, spec: ServiceSpec): void {
		const text = JSON.stringify(spec);
		this.#database.exec('BEGIN IMMEDIATE');
		try {
			this.#database.prepare('INSERT OR REPLACE INTO services (service_id, spec) VALUES (?, ?)').run(serviceId, text);
			this.#database.prepare('DELETE FROM services WHERE service_id = ? AND position NOT IN (SELECT position FROM services WHERE service_id = ? ORDER BY position DESC LIMIT ?)').run(serviceId, serviceId, KEPT_SPECS);
			this.#database.exec('COMMIT');
		} catch (error) {
			this.#database.exec('ROLLBACK');
			throw error;
		}
	}

	/** The newest first. */
	specs(serviceId: string): ServiceSpec[] {
		const rows = this.#database.prepare('SELECT spec FROM services WHERE service_id = ? ORDER BY position DESC').all(serviceId) as { spec: string }[];
		return rows.map(({ spec }) => JSON.parse(spec) as ServiceSpec);
	}

	ids(): string[] {
		return (this.#database.prepare('SELECT DISTINCT service_id AS id FROM services').all() as { id: string }[]).map(({ id }) => id);
	}

	/** The service is gone. */
	remove(serviceId: string): void {
		this.#database.prepare('DELETE FROM services WHERE service_id = ?').run(serviceId);
	}
}

/** The unix socket of an engine of this host: who changes its configuration signals its process as well. */

import { BirthmarkError } from '#common/protocol/errors.ts';

/** @param host as in DOCKER_HOST @throws BirthmarkError `usage` for anything else than a unix socket */
export function engineSocket(host = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock'): string {
	const path = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
	if (path === undefined) throw new BirthmarkError('usage', 'set DOCKER_HOST to the unix socket of this host\'s engine, e.g. unix:///var/run/docker.sock');
	return path;
}

/** `GET /metrics` on the address that METRICS_ADDRESS names. Whatever becomes of it, the plugin goes on. */

import { createServer, type Server } from 'node:http';
import { listenTcp } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import { CONTENT_TYPE } from './exposition.ts';

export interface MetricsAddress {
	readonly host: string;
	readonly port: number;
}

/** A scraper asks once in a while; nobody else has business here. */
const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5_000;

/** @param text HOST:PORT, the host of IPv6 in brackets @returns undefined when it is something else */
export function parseMetricsAddress(text: string): MetricsAddress | undefined {
	const [, address, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text) ?? [];
	const host = address ?? name;
	return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
}

/** @returns undefined when it cannot listen, which is logged */
export async function listenForScrapers(address: MetricsAddress, text: () => string, logger: Pick<Logger, 'info' | 'error'>): Promise<Server | undefined> {
	const answer = (isFound: boolean): [number, string] => {
		if (!isFound) return [404, 'metrics are at /metrics\n'];
		try {
			return [200, text()];
		} catch (error) {
			logger.error('the metrics could not be told', { error });
			return [500, 'see the log of the plugin\n'];
		}
	};
	const server = createServer({ requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS }, (request, response) => {
		const [status, body] = answer(request.url?.split('?')[0] === '/metrics' && (request.method === 'GET' || request.method === 'HEAD'));
		response.writeHead(status, { 'content-type': status === 200 ? CONTENT_TYPE : 'text/plain; charset=utf-8' }).end(body);
	});
	server.maxConnections = MAX_CONNECTIONS;
	try {
		const { address: host, port } = await listenTcp(server, address.port, address.host);
		// Without a listener an accept that fails, e.g. for want of file descriptors, would end the plugin.
		server.on('error', (error) => logger.error('a scraper could not be accepted', { error }));
		logger.info('metrics are served', { address: `${host}:${port}` });
		return server;
	} catch (error) {
		logger.error('metrics cannot be served; change METRICS_ADDRESS', { address: `${address.host}:${address.port}`, error });
		return undefined;
	}
}

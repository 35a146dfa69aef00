/**
 * The addresses of a CA's instances as people write them: `https://ca1:33004,https://ca2:33004`,
 * all with the same state behind them, in the order in which they are to be asked.
 */

const HTTPS_PORT = 443;
/** Each more makes the wait for the last one longer. */
const MAX_URLS = 8;

/** As the connection options of node:net and node:https name it. */
export interface HostAndPort {
	readonly host: string;
	readonly port: number;
}

/**
 * @param text one URL or several, separated by commas
 * @returns `https://HOST[:PORT]` without anything behind, each once; undefined when the text is not that
 */
export function parseCaUrls(text: string): readonly string[] | undefined {
	const urls = text.split(',').map((part) => bareUrl(part.trim()));
	if (urls.length > MAX_URLS || urls.includes(undefined)) return undefined;
	return [...new Set(urls as string[])];
}

/** @param url of {@link parseCaUrls} */
export function hostAndPort(url: string): HostAndPort {
	const { hostname, port } = new URL(url);
	// An IPv6 address stands in brackets in a URL but not in a socket address.
	return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? HTTPS_PORT : Number(port) };
}

function bareUrl(text: string): string | undefined {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	const isBare = url && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
	return url?.protocol === 'https:' && isBare ? url.origin : undefined;
}

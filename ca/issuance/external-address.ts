/**
 * The setting `externalCa`, in the manner of Docker's `--external-ca`: `name=value` pairs separated by
 * commas, `url` as often as there are addresses.
 *
 *     protocol=cfssl,url=https://a.example/api/v1/cfssl/sign,url=https://b.example/…,cacert=FILE,cert=FILE,key=FILE,chain=FILE
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

const MAX_URLS = 8;

export interface ExternalAddress {
	/** asked in this order */
	readonly urls: readonly string[];
	/** PEM files: whom to trust there, and who we are there */
	readonly caFile: string;
	readonly certificateFile: string;
	readonly keyFile: string;
	/** PEM: the certificates that sign there, up to the roots, which become part of the trust bundle */
	readonly chainFile: string;
	/** whether the SPIFFE ID is asked for; an old cfssl knows no URIs */
	readonly asksForUri: boolean;
}

/** @throws BirthmarkError `config-invalid` with what is wrong */
export function parseExternalAddress(text: string): ExternalAddress {
	const values = new Map<string, string[]>();
	for (const pair of text.split(',')) {
		const [, name, value] = /^([a-z]+)=(.+)$/.exec(pair.trim()) ?? [];
		if (name === undefined || value === undefined) throw invalid(`${quote(pair)} is not of the form name=value`);
		values.set(name, [...(values.get(name) ?? []), value]);
	}
	const take = (name: string): string[] => {
		const found = values.get(name) ?? [];
		values.delete(name);
		return found;
	};
	const one = (name: string): string => {
		const [value, ...more] = take(name);
		if (value === undefined || more.length > 0) throw invalid(`there is to be exactly one ${name}=`);
		return value;
	};
	if (one('protocol') !== 'cfssl') throw invalid('the only protocol is cfssl');
	const urls = take('url');
	if (urls.length === 0 || urls.length > MAX_URLS) throw invalid(`there are to be 1 to ${MAX_URLS} url=`);
	for (const url of urls) {
		const parsed = URL.parse(url);
		if (parsed?.protocol !== 'https:' || parsed.username !== '' || parsed.password !== '') throw invalid(`${quote(url)} is not an https:// URL`);
	}
	const uri = values.has('uri') ? one('uri') : 'yes';
	if (uri !== 'yes' && uri !== 'no') throw invalid('uri= is yes or no');
	const address = { urls, caFile: one('cacert'), certificateFile: one('cert'), keyFile: one('key'), chainFile: one('chain'), asksForUri: uri === 'yes' };
	for (const name of values.keys()) throw invalid(`${quote(name)} is not known`);
	return address;
}

function invalid(what: string): BirthmarkError {
	return new BirthmarkError('config-invalid', `${what}: write protocol=cfssl,url=https://…,cacert=FILE,cert=FILE,key=FILE,chain=FILE`);
}

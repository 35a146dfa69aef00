/**
 * The body that is judged is the body that the engine acts on: what the engine's own decoder reads in
 * strange bodies (test/vectors/create) our parser reads as well, or refuses.
 */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseCreateBody, type CreateBody } from '../../../../plugin/authz/create-body.ts';
import { holds } from '../../../support/property.ts';

/** What differs from Go's zero values; null when it is refused. */
type Reading = Readonly<Record<string, unknown>> | null;
interface Vector {
	readonly body: string;
	readonly both?: Reading;
	readonly '20.10'?: Reading;
	readonly '28.5'?: Reading;
}

const vectors = JSON.parse(readFileSync(new URL('../../../vectors/create/bodies.json', import.meta.url), 'utf8')) as Vector[];

/** @returns null when it was refused; whatever else is thrown is a fault */
function read(body: string | Buffer): Reading {
	let parsed: CreateBody;
	try {
		parsed = parseCreateBody(Buffer.from(body));
	} catch (error) {
		if (error instanceof BirthmarkError) return null;
		throw error;
	}
	const { image, user, volumeDriver, binds, volumesFrom, privileged, capAdd, networkMode } = parsed;
	const all = {
		image, user, volumeDriver, binds, volumesFrom, privileged, capAdd,
		// The engine's decoder fills it in.
		networkMode: networkMode === 'default' ? '' : networkMode,
		labels: Object.fromEntries(parsed.labels),
		networks: [...parsed.networks].sort(),
		targets: [...parsed.otherTargets].sort(),
		mounts: parsed.mounts.map(({ type, source, target, driver, driverOptions }) => ({ type, source, target, driver, driverOptions: Object.fromEntries(driverOptions) })),
	};
	return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '' && value !== false && !(typeof value === 'object' && Object.keys(value).length === 0)));
}

test('what we read in a body both engines read in it, unless they refuse it', (t) => {
	let taken = 0;
	for (const vector of vectors) {
		const ours = read(vector.body);
		if (ours === null) continue;
		taken++;
		const readings = 'both' in vector ? [vector.both] : [vector['20.10'], vector['28.5']];
		for (const reading of readings) if (reading) t.deepEqual(ours, reading, vector.body);
	}
	t.true(taken > 60, 'most of them are read');
	t.true(vectors.length - taken > 40, 'and many are refused');
});

test('in the vectors there are bodies that two engines read differently, and all of them are refused', (t) => {
	const disputed = vectors.filter((vector) => vector['20.10'] && vector['28.5']);
	t.true(disputed.length > 5);
	for (const { body } of disputed) t.is(read(body), null, body);
});

const BODY = {
	Image: 'nginx:1', User: '1000', Labels: { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api' }, Volumes: { '/data': {} },
	HostConfig: {
		Binds: ['/a:/b:ro'], VolumesFrom: ['db:ro'], VolumeDriver: 'local', Privileged: true, CapAdd: ['NET_ADMIN'], NetworkMode: 'host', Tmpfs: { '/t': '' },
		Mounts: [{ Type: 'volume', Source: 'v', Target: '/run/birthmark', VolumeOptions: { DriverConfig: { Name: 'birthmark', Options: { o: 'bind' } } } }],
	},
};
/** Keys of these are names of people's own: they are not folded. */
const MAPS = ['Labels', 'Volumes', 'Tmpfs', 'Options'];
const WHITESPACE = fc.constantFrom('', '', '', ' ', '\n', '\t\r\n');

/** The same value in another spelling that means the same to Go: keys in any case, escapes, blanks, nulls for what is not there. */
function spelt(value: unknown, isMap = false): fc.Arbitrary<string> {
	if (Array.isArray(value)) return fc.tuple(WHITESPACE, ...value.map((item) => spelt(item))).map(([blank, ...items]) => `[${blank}${items.join(`${blank},`)}]`);
	if (typeof value === 'string') return word(value, false);
	if (typeof value !== 'object' || value === null) return fc.constant(JSON.stringify(value));
	const entries = Object.entries(value).map(([key, inner]) => fc.tuple(word(key, !isMap), WHITESPACE, spelt(inner, MAPS.includes(key))).map(([name, blank, text]) => `${blank}${name}${blank}:${blank}${text}`));
	const absent = isMap ? fc.constant([]) : fc.subarray(['"Cmd":null', '"x-unknown":[{}]', '"":0']);
	return fc.tuple(absent, ...entries).chain(([more, ...all]) => fc.shuffledSubarray([...more, ...all], { minLength: more.length + all.length })).map((all) => `{${all.join(',')}}`);
}

function word(text: string, folds: boolean): fc.Arbitrary<string> {
	const letters = [...text].map((letter) => fc.constantFrom(letter, letter, ...(folds ? [letter.toUpperCase(), letter.toLowerCase()] : []), `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`));
	return fc.tuple(...letters).map((all) => `"${all.join('')}"`);
}

test('a body means the same in whichever case, with escapes, blanks and in any order', (t) => {
	const plain = read(JSON.stringify(BODY));
	holds(t, 300, fc.property(spelt(BODY), (body) => deepEqual(read(body), plain, body)));
});

test('a key that is there twice, folds into another or is not ASCII is refused, wherever a structure is read', (t) => {
	const keys = ['Image', 'Labels', 'HostConfig', 'Binds', 'Mounts', 'VolumesFrom', 'Type', 'Source', 'VolumeOptions', 'DriverConfig', 'Name'];
	const again = fc.constantFrom(...keys).chain((key) => fc.tuple(fc.constant(key), fc.constantFrom(key, key.toLowerCase(), key.toUpperCase(), key.replace(/s/i, '\u017f'), key.replace(/k/i, '\u212a'), `${key}\u00a0`), fc.constantFrom('null', '{}', '[]', '"x"', 'true')));
	holds(t, 300, fc.property(again, fc.boolean(), ([key, twin, value], first) => {
		const names = first ? [twin, key] : [key, twin];
		const body = JSON.stringify(BODY).replace(`"${key}":`, `${JSON.stringify(names[0])}:${value},${JSON.stringify(names[1])}:`);
		deepEqual(read(body), null, body);
	}));
});

test('what hides the paths of /proc may not stand at the top, not even empty', (t) => {
	for (const body of ['{"MaskedPaths":[]}', '{"readonlypaths":[]}']) t.is(read(body), null, body);
	t.not(read('{"MaskedPaths":null}'), null);
});

/** What an image is called, taken apart as the engine does (distribution/reference, ParseAnyReference and FamiliarString). */

import type { ImageFacts } from './request.ts';

const ID = /^(?:sha256:)?[0-9a-f]{64}$/;

/** @returns repository in its short form, tag, and the digest that the reference asks for, if any */
export function parseImageName(reference: string): Pick<ImageFacts, 'repository' | 'tag' | 'digests'> {
	if (ID.test(reference) || reference === '') return { repository: '', tag: '', digests: [] };
	const [name = '', digest] = reference.split('@', 2);
	const mark = name.lastIndexOf(':');
	const isTagged = mark > name.lastIndexOf('/');
	const repository = (isTagged ? name.slice(0, mark) : name).replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
	return { repository, tag: isTagged ? name.slice(mark + 1) : digest === undefined ? 'latest' : '', digests: digest === undefined ? [] : [digest] };
}

/**
 * Images whose own labels ask for an identity, seen before a container was created of them: by the
 * request alone nobody sees afterwards that the container has labels. One that is not remembered has
 * no record, and does not start.
 */

const MAX_REMEMBERED = 1_000;

export interface RememberedImages {
	/** @param reference as the request names it */
	remember(reference: string): void;
	has(reference: string): boolean;
}

export function createRememberedImages(): RememberedImages {
	const references = new Set<string>();
	return {
		remember(reference) {
			references.delete(reference);
			references.add(reference);
			if (references.size > MAX_REMEMBERED) references.delete(references.values().next().value!);
		},
		has: (reference) => references.has(reference),
	};
}

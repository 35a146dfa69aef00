/** Who owns the identity directory of a container of an image; what the image says is remembered. */

import type { EngineImage } from '../docker.ts';
import type { ImageFiles } from './image-files.ts';
import { lookUpUser, plainOwner, type Owner, type UserFiles } from './user-lookup.ts';

/** Each at most twice the largest file. */
const REMEMBERED_IMAGES = 32;

/** @param user of the request; the image's counts when it is empty @throws BirthmarkError `label-missing`, `engine-unavailable` */
export type OwnerOf = (user: string, image: EngineImage) => Promise<Owner>;

export function createImageUsers(files: Pick<ImageFiles, 'read'>): OwnerOf {
	const known = new Map<string, Promise<UserFiles>>();

	/** One look for all who ask at the same time. */
	function userFiles(image: EngineImage): Promise<UserFiles> {
		const there = known.get(image.Id);
		if (there) return there;
		const looking = files.read(image, ['/etc/passwd', '/etc/group']).then(([passwd = '', group = '']) => ({ passwd, group }));
		known.set(image.Id, looking);
		looking.catch(() => known.delete(image.Id));
		if (known.size > REMEMBERED_IMAGES) known.delete(known.keys().next().value!);
		return looking;
	}

	return async (user, image) => {
		const asked = user || image.Config?.User || '';
		return plainOwner(asked) ?? lookUpUser(asked, await userFiles(image));
	};
}

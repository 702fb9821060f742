import { join, resolve } from 'node:path'
import type { Plugin } from 'vite'
import { buildForServer } from '../js/build.mjs'

/** Builds the client for pages of one's own into the folder client of what is built. */
export function client(): Plugin {
  let folder = ''
  return {
    name: 'pabal-client',
    apply: 'build',
    configResolved: (config) => {
      folder = join(resolve(config.root, config.build.outDir), 'client')
    },
    closeBundle: async () => {
      await buildForServer(folder)
    },
  }
}

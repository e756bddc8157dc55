/** A file that the page cannot use: the message says why and what would do. */
export class FileRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FileRefused";
  }
}

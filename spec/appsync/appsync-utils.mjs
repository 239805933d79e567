// What the handlers use of AppSync's JavaScript runtime.

/** An error that a handler raised: the field's `errorType` and the rest of its error. */
export class HandlerError extends Error {
  constructor(message, type = null, data = null, info = null) {
    super(message);
    Object.assign(this, { type, data, info });
  }
}

export const util = {
  error(message, type, data, info) {
    throw new HandlerError(message, type, data, info);
  },
  unauthorized() {
    throw new HandlerError("You are not authorized to make this call.", "Unauthorized");
  },
};

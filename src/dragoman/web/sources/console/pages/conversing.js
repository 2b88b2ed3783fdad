// What the pages of chats with customers share.
import { t } from "../texts.js";

export const BASE = "/api/v1/web-chat-client";

export const said = (content) => (typeof content === "string" ? content : (content || []).map((part) => part.text || (part.attachment ? `[${part.attachment.name || t("file")}] ${part.attachment.transcript || ""}` : `[${part.type}]`)).join(" "));

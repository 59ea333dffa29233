"""HTML pages Growatt returns instead of data. The strings clients match on are genuine, the rest is invented."""

from __future__ import annotations

from heliograph.emulator.api import EmulatedResponse

HTML = "text/html;charset=UTF-8"


def page(title: str, body: str, status: int = 200) -> EmulatedResponse:
    """Return an HTML page."""
    head = f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>'
    return EmulatedResponse(f"{head}<body>{body}</body></html>\n".encode(), status, HTML)


LOGIN = page(
    "Growatt Server",
    '<form id="login" action="./login" method="post"><input name="account"><input name="passwordCrc" type="password">'
    "<button>Login</button></form>",
)
# Quirk: an expired session may also be reported by this page (noah-mqtt issue 87) …
NOT_LOGGED_IN = page(
    "Error500",
    '<h1>Error500</h1><p>Dear user, you have not login to the system</p><a href="./login.do">Login</a>',
    500,
)
# Quirk: … or by a redirect to the portal's error page (PLCHome/growatt issue 30).
MOVED_TO_LOGIN = EmulatedResponse(b"", 302, HTML, (("Location", "/error.do?errorMess=errorNoLogin"),))
# Quirk: the web server refuses some User-Agents (growattServer issue 45), and requests without one.
NO_AGENT = page("403 Forbidden", "<h1>403 Forbidden</h1><p>denied by UA ACL = blacklist</p><hr>Powered by Tengine", 403)
# Quirk: the firewall blocks an address or a request pattern with a Chinese page (noah-mqtt issue 51).
FIREWALL = EmulatedResponse(
    '<!doctypehtml><html lang="zh-cn"><meta charset="utf-8"><title>405</title><body><script src="//errors.aliyun.com/">'
    "</script><p>您的访问被阻断</p><p>Sorry, your request has been "
    "blocked as it may cause potential threats to the server's security.</p></body></html>\n".encode(),
    405,
    HTML,
)
# Quirk: an unknown `op` is answered with Tomcat's page (growattServer issue 97).
NO_SUCH_OPERATION = page(
    "HTTP Status 400",
    "<h1>HTTP Status 400</h1><p><b>Message</b> Parameter conditions not met for actual request "
    "parameters</p><h3>Apache Tomcat</h3>",
    400,
)
NO_SUCH_PATH = page(
    "HTTP Status 404",
    "<h1>HTTP Status 404 - Not Found</h1><p><b>Message</b> The requested resource is not available</p>"
    "<h3>Apache Tomcat</h3>",
    404,
)
BROKEN_FORM = page("Error500", "<h1>Error500</h1><p>The server met an unexpected condition</p>", 500)

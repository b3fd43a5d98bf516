# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""A Thunderbird profile with one IMAP account, whose password lies in it as Thunderbird keeps it: written with
Thunderbird's own library, so that nobody is asked."""

import base64
import ctypes
import json
import pathlib
import subprocess
import sys

LIBRARIES = pathlib.Path("/usr/lib/thunderbird")


def is_there():
    return (LIBRARIES / "libnss3.so").exists()


def make_profile(profile, host, account, password, address):
    profile.mkdir()
    preferences = {
        "mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1",
        "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
        "mail.identity.id1.useremail": address, "mail.identity.id1.fullName": "A", "mail.identity.id1.valid": True,
        "mail.server.server1.type": "imap", "mail.server.server1.hostname": host, "mail.server.server1.port": 143,
        "mail.server.server1.userName": account, "mail.server.server1.name": account,
        "mail.server.server1.socketType": 0, "mail.server.server1.authMethod": 3,  # in clear
        "mail.server.server1.login_at_startup": True, "mail.server.server1.check_new_mail": True,
        # Nothing but mail is to be on the wire.
        "app.update.enabled": False, "app.donation.eoy.version.viewed": 999, "toolkit.telemetry.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False, "mailnews.start_page.enabled": False,
        "mail.rights.version": 1, "mail.spam.version": 1, "mail.shell.checkDefaultClient": False,
        "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
        "network.manage-offline-status": False}
    (profile / "user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                                             for name, value in preferences.items()))
    # A process of its own: the library opens one profile in its life.
    subprocess.run([sys.executable, __file__, str(profile), host], check=True,
                   input=json.dumps([account, password]).encode())


class Item(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint), ("data", ctypes.c_void_p), ("size", ctypes.c_uint)]


def keep_password(profile, host, account, password):
    for needed in ("libmozsqlite3.so", "libnssutil3.so"):  # its own, not the system's
        ctypes.CDLL(str(LIBRARIES / needed), ctypes.RTLD_GLOBAL)
    nss = ctypes.CDLL(str(LIBRARIES / "libnss3.so"))

    def encrypted(text):
        plain = ctypes.create_string_buffer(text.encode())
        key, data, out = Item(), Item(0, ctypes.addressof(plain), len(plain) - 1), Item()
        if nss.PK11SDR_Encrypt(ctypes.byref(key), ctypes.byref(data), ctypes.byref(out), None):
            raise RuntimeError("the password could not be encrypted")
        return base64.b64encode(ctypes.string_at(out.data, out.size)).decode()

    nss.PK11_GetInternalKeySlot.restype = ctypes.c_void_p
    if nss.NSS_InitReadWrite(f"sql:{profile}".encode()) \
            or nss.PK11_InitPin(ctypes.c_void_p(nss.PK11_GetInternalKeySlot()), None, None):
        raise RuntimeError("no place for passwords could be made")
    login = {"id": 1, "hostname": f"imap://{host}", "httpRealm": f"imap://{host}", "formSubmitURL": None,
             "usernameField": "", "passwordField": "", "encryptedUsername": encrypted(account),
             "encryptedPassword": encrypted(password), "guid": "{11111111-1111-1111-1111-111111111111}", "encType": 1,
             "timeCreated": 1, "timeLastUsed": 1, "timePasswordChanged": 1, "timesUsed": 1}
    pathlib.Path(profile, "logins.json").write_text(json.dumps({"nextId": 2, "logins": [login], "version": 3}))


if __name__ == "__main__":
    keep_password(*sys.argv[1:3], *json.load(sys.stdin))

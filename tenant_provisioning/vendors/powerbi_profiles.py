"""Power BI's service principal profiles: identities within our own, each of which sees only what it was given.

A profile belongs to one service principal for ever. Calls in its name carry a header; which calls those are is decided
by the steps. Fabric's own API knows no such header.
"""

from dataclasses import dataclass
from typing import Any, Self

from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.vendors.powerbi_datasets import PowerBIDatasets
from tenant_provisioning.vendors.powerbi_records import Group

HEADER = "X-PowerBI-Profile-Id"
NO_PROFILE = ("PowerBIServicePrincipalProfileNotFound",)


@dataclass(frozen=True)
class Profile:
    """A service principal profile; its name is all that a mark can be put into."""

    id: str
    name: str

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """From a ServicePrincipalProfile."""
        return cls(body["id"], body["displayName"])


class PowerBIProfiles(PowerBIDatasets):
    """The profiles of the service principal."""

    async def find_profile(self, name: str) -> Profile | None:
        """The profile of exactly this name; names are unique among a service principal's profiles."""
        quoted = name.replace("'", "''")
        found = await self._list("find profile", "/profiles", Profile.read, {"$filter": f"displayName eq '{quoted}'"})
        return next((profile for profile in found if profile.name == name), None)

    async def count_profiles(self) -> int:
        """How many profiles the service principal has; VendorRejected where the tenant does not allow them."""
        return len(await self._list("list profiles", "/profiles", Profile.read))

    async def create_profile(self, name: str) -> Profile:
        """A new profile; a name that is taken is VendorRejected."""
        response = await self._http.call(
            "create profile", "POST", "/profiles", json={"displayName": name}, ok=(200, 201)
        )
        return self._http.read("create profile", response, Profile.read)

    async def delete_profile(self, profile_id: str) -> None:
        """The profile is gone, whether or not it was there."""
        await self._http.delete("delete profile", f"/profiles/{profile_id}", gone=NO_PROFILE)

    async def add_profile(self, group_id: str, profile_id: str, *, principal_id: str) -> None:
        """The profile of our service principal (its object id) is a member of the workspace, by this call or before."""
        asked = {
            "identifier": principal_id,
            "principalType": "App",
            "groupUserAccessRight": "Member",
            "profile": {"id": profile_id},
        }
        try:
            await self._http.call(
                "add profile to workspace", "POST", f"/groups/{group_id}/users", json=asked, ok=(200,)
            )
        except VendorRejected:
            # no code for this was ever seen for certain; what the profile sees says whether it was the reason
            if group_id not in await self.list_groups_of(profile_id):
                raise

    async def list_groups_of(self, profile_id: str) -> tuple[str, ...]:
        """The ids of the workspaces that the profile sees, asked in its own name."""
        response = await self._http.call(
            "list workspaces of profile", "GET", "/groups", headers={HEADER: profile_id}, ok=(200,)
        )
        groups = self._http.read(
            "list workspaces of profile", response, lambda body: [Group.read(g) for g in body["value"]]
        )
        return tuple(group.id for group in groups)

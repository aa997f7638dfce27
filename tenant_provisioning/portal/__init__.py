"""The super admin's place: rows in, pages out. `app` names every page there is."""
